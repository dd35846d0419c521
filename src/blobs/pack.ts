import { closeSync, openSync, readSync, rmSync } from "node:fs";
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

  /**
   * Reads an opened file into the place of the next member: then `keep` it or forget it, since the next one takes the same place. Undefined where the file has not the size
   * that it should have; one that grows is found out by a byte more.
   */
  read(fd: number, size: number): Buffer | undefined {
    const segment = this.#segmentFor(size + 1);
    const at = this.#used + BLOCK;
    return readSync(fd, segment, at, size + 1, 0) === size ? segment.subarray(at, at + size) : undefined;
  }

  /** Makes what lies in the next member's place a member. Returns the offset of its first byte in the pack. */
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
      this.#segmentFor(bytes.length).set(bytes, this.#used + BLOCK);
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

  /** With so much free behind the next header. */
  #segmentFor(size: number): Buffer {
    if (BLOCK + size + BLOCK > WriteBehind.SEGMENT) throw new Error(`a file of ${size} bytes is too large to be read into a pack; use add`);
    if (this.#used + BLOCK + size + BLOCK > WriteBehind.SEGMENT) this.#flush();
    return (this.#segment ??= this.#file.take());
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

/** POSIX ustar, field by field: what stands between the name (64 digits, of 100), the size, the checksum and the end. */
const BEFORE_SIZE = `${"\0".repeat(36)}0000444\x000000000\x000000000\0`;
const BEFORE_SUM = "\x0000000000000\0";
const BEHIND_SUM = `\0 0${"\0".repeat(100)}ustar\x0000`;
const LENGTH = 64 + BEFORE_SIZE.length + 11 + BEFORE_SUM.length + 6 + BEHIND_SUM.length;
/** The checksum counts its own field as eight blanks. */
const SUM = sumOf(BEFORE_SIZE) + sumOf(BEFORE_SUM) + sumOf(BEHIND_SUM.slice(2)) + 8 * 0x20;

/** In one go: filling each field for 20,000 members takes a third of a second. */
function writeHeader(target: Buffer, at: number, name: string, size: number): void {
  const octal = size.toString(8).padStart(11, "0");
  const sum = (SUM + sumOf(name) + sumOf(octal)).toString(8).padStart(6, "0");
  const digits = name.length === 64 ? name : name.padEnd(64, "\0");
  target.write(digits + BEFORE_SIZE + octal + BEFORE_SUM + sum + BEHIND_SUM, at, LENGTH, "latin1");
  target.fill(0, at + LENGTH, at + BLOCK);
}

function sumOf(text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum += text.charCodeAt(i);
  return sum;
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
