const BLOCK = 512;
/** What the old header's eleven octal digits can hold. */
const MAX_SIZE = 0o77777777777;

export interface TarHeader {
  path: string;
  /** Bytes; of a link: 0. */
  size: number;
  /** Permission bits. */
  mode: number;
  /** What a symbolic link points to. */
  target?: string;
}

/** What a tar file ends with. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/** The blocks in front of a member's bytes (POSIX pax). They hold no times and no owners: the same member is the same bytes. */
export function tarHeader({ path, size, mode, target = "" }: TarHeader): Buffer {
  const long = [...paxRecord("path", path, 100), ...paxRecord("linkpath", target, 100)];
  if (size > MAX_SIZE) long.push(record("size", String(size)));
  const own = header(path, Math.min(size, MAX_SIZE), mode, target === "" ? "0" : "2", target);
  if (long.length === 0) return own;
  const records = Buffer.concat(long);
  return Buffer.concat([header("././@PaxHeader", records.length, 0o644, "x", ""), records, Buffer.alloc(tarPadding(records.length)), own]);
}

/** How many zero bytes follow so many bytes of a member. */
export function tarPadding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** A pax record for what does not fit into the old header, whose own field is then cut and does not count. */
function paxRecord(key: string, value: string, room: number): Buffer[] {
  return Buffer.byteLength(value) <= room ? [] : [record(key, value)];
}

/** `<its own length> key=value\n` */
function record(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length > length) length++;
  return Buffer.from(`${length}${rest}`);
}

function header(path: string, size: number, mode: number, type: string, target: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number): string => value.toString(8).padStart(width - 1, "0");
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
