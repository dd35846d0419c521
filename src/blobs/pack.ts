import { closeSync, openSync, rmSync } from "node:fs";
import { CofferError } from "../domain/error.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { FOLLOWING_READ } from "./copy.ts";
import { syncFile, writeWhole } from "./durable.ts";
import { readAt } from "./read-at.ts";

const BLOCK = 512;
const BUFFER = 8 << 20;

/**
 * A pack: one plain ustar file whose members are named by their digests (`tar tf` lists them). Written once, from front to back,
 * never appended to. Members are put together in one buffer, so that 20,000 small files cost a few dozen writes and one fsync.
 */
export class PackWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER);
  #isOpen = true;
  #used = 0;
  #written = 0;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "wx", 0o644);
  }

  /** Room for a member's bytes, up to `size`: read into it, then `keep` or forget it. The next call takes the same room. */
  room(size: number): Buffer {
    if (this.#used + BLOCK + size + BLOCK > BUFFER) this.#flush();
    if (BLOCK + size + BLOCK > BUFFER) throw new Error(`a member of ${size} bytes is too large for room(); use addLarge`);
    return this.#buffer.subarray(this.#used + BLOCK, this.#used + BLOCK + size);
  }

  /** Makes what lies in the last room a member. Returns the offset of its first byte in the pack. */
  keep(name: string, size: number): number {
    const start = this.#used;
    writeHeader(this.#buffer, start, name, size);
    const end = start + BLOCK + size;
    const padded = end + padding(size);
    this.#buffer.fill(0, end, padded);
    this.#used = padded;
    return this.#written + start + BLOCK;
  }

  /** A member that is in memory already, of any size. */
  add(name: string, bytes: Uint8Array): number {
    if (bytes.length <= BUFFER / 2) {
      this.room(bytes.length).set(bytes);
      return this.keep(name, bytes.length);
    }
    this.#flush();
    const header = Buffer.alloc(BLOCK);
    writeHeader(header, 0, name, bytes.length);
    const offset = this.#written + BLOCK;
    for (const part of [header, bytes, Buffer.alloc(padding(bytes.length))]) {
      writeWhole(this.#fd, part);
      this.#written += part.length;
    }
    return offset;
  }

  /** Ends the tar file and makes it durable. Returns its size. */
  async finish(): Promise<number> {
    try {
      this.#flush();
      writeWhole(this.#fd, Buffer.alloc(2 * BLOCK));
      this.#written += 2 * BLOCK;
      syncPoint("pack.written");
      await syncFile(this.#fd);
      syncPoint("pack.flushed");
    } finally {
      this.#isOpen = false;
      closeSync(this.#fd);
    }
    return this.#written;
  }

  /** Nothing of it is wanted, be it finished or not: the file is removed. Says nothing, so that whatever led here is heard. */
  abandon(): void {
    try {
      if (this.#isOpen) closeSync(this.#fd);
      this.#isOpen = false;
      rmSync(this.path, { force: true });
    } catch {
      // what is left lies in a staging directory, which goes as a whole
    }
  }

  #flush(): void {
    writeWhole(this.#fd, this.#buffer, this.#used);
    this.#written += this.#used;
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
