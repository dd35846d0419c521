export type TarMember = { path: string } & ({ kind: "file"; bytes: Uint8Array; executable: boolean } | { kind: "link"; target: string });

const BLOCK = 512;

/** A tar file (POSIX pax) of small members, in the order given. It holds no times and no owners: the same members are the same bytes. */
export function writeTar(members: readonly TarMember[]): Buffer {
  const blocks: Uint8Array[] = [];
  for (const member of members) {
    const target = member.kind === "link" ? member.target : "";
    const long = [...paxRecord("path", member.path), ...paxRecord("linkpath", target)];
    if (long.length > 0) {
      const records = Buffer.concat(long);
      blocks.push(header("././@PaxHeader", records.length, 0o644, "x", ""), ...padded(records));
    }
    const bytes = member.kind === "file" ? member.bytes : new Uint8Array();
    const mode = member.kind === "link" ? 0o777 : member.executable ? 0o755 : 0o644;
    blocks.push(header(member.path, bytes.length, mode, member.kind === "file" ? "0" : "2", target), ...padded(bytes));
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(blocks);
}

/** A pax record for what the old header's 100 bytes cannot hold: `<its own length> key=value\n`. */
function paxRecord(key: string, value: string): Buffer[] {
  if (Buffer.byteLength(value) <= 100) return [];
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length > length) length++;
  return [Buffer.from(`${length}${rest}`)];
}

function header(path: string, size: number, mode: number, type: string, target: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number): string => value.toString(8).padStart(width - 1, "0");
  // cut where it is too long: then the pax record in front counts
  Buffer.from(path).copy(block, 0, 0, 100);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write("        ", 148);
  block.write(type, 156);
  Buffer.from(target).copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 7)}\0 `, 148);
  return block;
}

function padded(bytes: Uint8Array): Uint8Array[] {
  const over = bytes.length % BLOCK;
  return over === 0 ? [bytes] : [bytes, Buffer.alloc(BLOCK - over)];
}
