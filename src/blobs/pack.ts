import { closeSync, openSync, rmSync } from "node:fs";
import { CofferError } from "../domain/error.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { FOLLOWING_READ } from "./copy.ts";
import { syncFile } from "./durable.ts";
import { readAt } from "./read-at.ts";
import { WriteBehind } from "./write-behind.ts";

const BLOCK = 512;

/**
 * A pack: one plain ustar file whose members are named by their digests (`tar tf` lists them). Written once, from front to back,
 * never appended to. Members are put together in few buffers, so that 20,000 small files cost some hundred writes and one flush at the end.
 */
export class PackWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #file: WriteBehind;
  #isOpen = true;
  #segment: Buffer | undefined;
  #used = 0;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "wx", 0o644);
    this.#file = new WriteBehind(this.#fd);
  }

  /** Room for a member's bytes, up to `size`: read into it, then `keep` or forget it. The next call takes the same room. */
  room(size: number): Buffer {
    if (BLOCK + size + BLOCK > WriteBehind.SEGMENT) throw new Error(`a member of ${size} bytes is too large for room(); use add`);
    if (this.#used + BLOCK + size + BLOCK > WriteBehind.SEGMENT) this.#flush();
    this.#segment ??= this.#file.take();
    return this.#segment.subarray(this.#used + BLOCK, this.#used + BLOCK + size);
  }

  /** Makes what lies in the last room a member. Returns the offset of its first byte in the pack. */
  keep(name: string, size: number): number {
    const segment = this.#segment as Buffer;
    const start = this.#used;
    writeHeader(segment, start, name, size);
    const end = start + BLOCK + size;
    const padded = end + padding(size);
    segment.fill(0, end, padded);
    this.#used = padded;
    return this.#file.position + start + BLOCK;
  }

  /** A member that is in memory already, of any size. */
  add(name: string, bytes: Uint8Array): number {
    if (bytes.length <= WriteBehind.SEGMENT / 2) {
      this.room(bytes.length).set(bytes);
      return this.keep(name, bytes.length);
    }
    this.#flush();
    const header = Buffer.alloc(BLOCK);
    writeHeader(header, 0, name, bytes.length);
    const offset = this.#file.position + BLOCK;
    for (const part of [header, bytes, Buffer.alloc(padding(bytes.length))]) this.#file.writeNow(part);
    return offset;
  }

  /** Ends the tar file and makes it durable. Returns its size. */
  async finish(): Promise<number> {
    try {
      this.#flush();
      this.#file.writeNow(Buffer.alloc(2 * BLOCK));
      await this.#file.done();
      syncPoint("pack.written");
      await syncFile(this.#fd);
      syncPoint("pack.flushed");
    } finally {
      await this.#close();
    }
    return this.#file.position;
  }

  /** Nothing of it is wanted, be it finished or not: the file is removed. Says nothing, so that whatever led here is heard. */
  async abandon(): Promise<void> {
    try {
      await this.#close();
      rmSync(this.path, { force: true });
    } catch {
      // what is left lies in a staging directory, which goes as a whole
    }
  }

  async #close(): Promise<void> {
    // a write that is on its way must not meet another file under this number
    await this.#file.settled();
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }

  #flush(): void {
    if (this.#segment) this.#file.write(this.#segment, this.#used);
    this.#segment = undefined;
    this.#used = 0;
  }
}

/** Reads a whole member. `size` and `offset` are those of its row. */
export function readMember(packPath: string, offset: number, size: number): Buffer {
  const fd = openSync(packPath, FOLLOWING_READ);
  try {
    return readMemberOf({ fd, path: packPath }, offset, size);
  } finally {
    closeSync(fd);
  }
}

/** The same of a pack that is open. */
export function readMemberOf(pack: { fd: number; path: string }, offset: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  if (readAt(pack.fd, bytes, offset) < size) throw new CofferError("CORRUPT", `${pack.path} is cut short`, { hint: "run coffer verify" });
  return bytes;
}

/** The block in front of a member. */
export function memberHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  writeHeader(header, 0, name, size);
  return header;
}

const template = Buffer.alloc(BLOCK);
template.write(["0000444", "0000000", "0000000", ""].join("\0"), 100, "latin1");
template.write("00000000000\0        0", 136, "latin1");
template.write("ustar\x0000", 257, "latin1");
const TEMPLATE_SUM = template.reduce((sum, byte) => sum + byte, 0);

/** POSIX ustar; the fields that never change come from a template, since filling each of them for 20,000 members takes a third of a second. */
function writeHeader(target: Buffer, at: number, name: string, size: number): void {
  template.copy(target, at);
  target.write(name, at, 100, "latin1");
  const octal = `${size.toString(8).padStart(11, "0")}\0`;
  target.write(octal, at + 124, "latin1");
  let sum = TEMPLATE_SUM;
  for (let i = 0; i < name.length; i++) sum += name.charCodeAt(i);
  for (let i = 0; i < 11; i++) sum += octal.charCodeAt(i);
  target.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
