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
    if (padded > end) segment.fill(0, end, padded);
    this.#used = padded;
    return this.#file.position + start + BLOCK;
  }

  /** A member that is in memory already, of any size. */
  add(name: string, bytes: Uint8Array): number {
    return this.addPieces(name, [bytes], bytes.length);
  }

  /** The same in pieces of `size` bytes together. */
  addPieces(name: string, pieces: readonly Uint8Array[], size: number): number {
    if (size <= WriteBehind.SEGMENT / 2) {
      const segment = this.#segmentFor(size);
      let at = this.#used + BLOCK;
      for (const piece of pieces) {
        segment.set(piece, at);
        at += piece.length;
      }
      return this.keep(name, size);
    }
    this.#flush();
    const header = Buffer.alloc(BLOCK);
    writeHeader(header, 0, name, size);
    const offset = this.#file.position + BLOCK;
    for (const part of [header, ...pieces, Buffer.alloc(padding(size))]) this.#file.writeNow(part);
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
const BEFORE_SIZE = `${"\0".repeat(100)}0000444\x000000000\x000000000\0`;
const BEFORE_SUM = `${"0".repeat(11)}\x0000000000000\0`;
const BEHIND_SUM = `000000\0 0${"\0".repeat(100)}ustar\x0000`;
const TEMPLATE = Buffer.alloc(BLOCK);
TEMPLATE.write(BEFORE_SIZE + BEFORE_SUM + BEHIND_SUM, "latin1");
const SIZE_END = BEFORE_SIZE.length + 11;
const SUM_AT = BEFORE_SIZE.length + BEFORE_SUM.length;
const ZERO = 0x30;
/** Of all but the name and the size. The checksum counts its own field as eight blanks. */
const SUM =
  TEMPLATE.reduce((sum, byte) => sum + byte, 0) - TEMPLATE.subarray(SUM_AT, SUM_AT + 8).reduce((sum, byte) => sum + byte, 0) + 8 * 0x20;

/**
 * Digit by digit into a copy of the template. For 20,000 members, a `Buffer.write` for each field takes a third of a second, and one of a text that all fields are put together in a fiftieth of a second.
 */
function writeHeader(target: Buffer, at: number, name: string, size: number): void {
  target.set(TEMPLATE, at);
  let sum = SUM;
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i);
    target[at + i] = byte;
    sum += byte;
  }
  for (let place = at + SIZE_END, rest = size; rest > 0; rest = Math.floor(rest / 8)) {
    target[--place] = ZERO + (rest % 8);
    sum += rest % 8;
  }
  for (let place = at + SUM_AT + 6, rest = sum; rest > 0; rest >>= 3) target[--place] = ZERO + (rest & 7);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
