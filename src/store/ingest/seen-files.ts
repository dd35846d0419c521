import type { Stats } from "node:fs";
import type { Blake3 } from "../../blobs/blake3.ts";

/*
 * What the files of a unit looked like when they were read, in one run of bytes, since a row a file would cost as much as the files:
 *
 *     checksum of all that follows                        32 bytes
 *
 * and, made half as long by zstd, which takes less time than to write the other half:
 *
 *     format, number of files, bytes of paths, device     8 each
 *     digest of the unit, digest of what else is in it    32 each
 *     size, mtime, ctime, inode of each file              8 each
 *     digest of each file                                 32
 *     path of each file, and a zero byte
 *
 * Times are milliseconds with a fraction, and all numbers are doubles: they cost half of what bigints do, in time and in memory, and a change that counts moves a ctime by
 * seconds (`willTell`). Paths are sorted as JavaScript does. A file unit has one path, the empty one.
 */

const FORMAT = 1;
const DIGEST = 32;
const WORD = 8;
const COLUMNS = 4;
const CTIME = 2;
/** Words of it. */
const HEADER = 4;
const COLUMNS_AT = HEADER * WORD + 2 * DIGEST;
const LEVEL = 1;
/** In place of a ctime: the file may have changed unnoticed since it was read. */
const UNKNOWN = 0;

/** A unit, and what its files looked like. */
export interface SeenUnit {
  /** Hex digits: of a directory, its list's. */
  hex: string;
  /** Hex digits of links and bare directories, as a list of their own. */
  others: string;
  files: SeenFiles;
}

/** Undefined where the bytes are not what `encodeSeen` made. */
export function decodeSeen(bytes: Uint8Array, blake3: Blake3): SeenUnit | undefined {
  const small = bytes.subarray(DIGEST);
  // before anything is made of it: whatever is wrong in it might ask for any amount of memory
  if (!blake3.hash(small).equals(bytes.subarray(0, DIGEST))) return undefined;
  const all = aligned(Bun.zstdDecompressSync(small));
  const [format, count, pathBytes] = [...wordsOf(all, 0, HEADER)] as [number, number, number];
  if (format !== FORMAT || all.length !== COLUMNS_AT + count * (COLUMNS * WORD + DIGEST) + pathBytes) return undefined;
  return {
    hex: all.toString("hex", COLUMNS_AT - 2 * DIGEST, COLUMNS_AT - DIGEST),
    others: all.toString("hex", COLUMNS_AT - DIGEST, COLUMNS_AT),
    files: new SeenFiles(all),
  };
}

/** Undefined where none of them will be believed. Otherwise both digests are written into `files.bytes` too, so that no second copy of it is needed. */
export function encodeSeen({ hex, others, files }: SeenUnit, blake3: Blake3): Buffer | undefined {
  if (!files.hasBelieved()) return undefined;
  files.bytes.write(hex + others, COLUMNS_AT - 2 * DIGEST, "hex");
  const small = Bun.zstdCompressSync(files.bytes, { level: LEVEL });
  return Buffer.concat([blake3.hash(small), small]);
}

/** What some files looked like, by their places among their sorted paths, in the bytes that are kept of them. Of one that was not set, nothing is believed. */
export class SeenFiles {
  readonly bytes: Buffer;
  readonly count: number;
  readonly device: number;
  readonly columns: Float64Array;
  readonly digests: Buffer;
  #paths: readonly string[] | undefined;

  /** `bytes`: uncompressed, without the checksum, aligned. */
  constructor(bytes: Buffer, paths?: readonly string[]) {
    const [, count, , device] = [...wordsOf(bytes, 0, HEADER)] as [number, number, number, number];
    this.bytes = bytes;
    this.count = count;
    this.device = device;
    this.columns = wordsOf(bytes, COLUMNS_AT, count * COLUMNS);
    this.digests = bytes.subarray(COLUMNS_AT + count * COLUMNS * WORD, COLUMNS_AT + count * (COLUMNS * WORD + DIGEST));
    this.#paths = paths;
  }

  /** Of which nothing is known yet. */
  static none(paths: readonly string[], device: number): SeenFiles {
    const text = `${paths.join("\0")}\0`;
    const pathBytes = Buffer.byteLength(text);
    const pathsAt = COLUMNS_AT + paths.length * (COLUMNS * WORD + DIGEST);
    const bytes = Buffer.alloc(pathsAt + pathBytes);
    wordsOf(bytes, 0, HEADER).set([FORMAT, paths.length, pathBytes, device]);
    bytes.write(text, pathsAt);
    return new SeenFiles(bytes, paths);
  }

  get paths(): readonly string[] {
    return (this.#paths ??= this.#pathBytes.toString().split("\0").slice(0, -1));
  }

  /** Whether the others are files of the same paths. */
  hasPathsOf(others: SeenFiles): boolean {
    return this.count === others.count && this.#pathBytes.equals(others.#pathBytes);
  }

  get #pathBytes(): Buffer {
    return this.bytes.subarray(COLUMNS_AT + this.count * (COLUMNS * WORD + DIGEST));
  }

  hasBelieved(): boolean {
    for (let index = 0; index < this.count; index++) if (this.isBelieved(index)) return true;
    return false;
  }

  /** 32 bytes; not a copy. */
  digestOf(index: number): Buffer {
    return this.digests.subarray(index * DIGEST, (index + 1) * DIGEST);
  }

  hexOf(index: number): string {
    return this.digests.toString("hex", index * DIGEST, (index + 1) * DIGEST);
  }

  isBelieved(index: number): boolean {
    return this.columns[index * COLUMNS + CTIME] !== UNKNOWN;
  }

  /** Whether this is the very file, unchanged. */
  isUnchanged(index: number, { ctimeMs, mtimeMs, size, ino, dev }: Stats): boolean {
    const at = index * COLUMNS;
    const columns = this.columns;
    return (
      columns[at + CTIME] === ctimeMs &&
      ctimeMs !== UNKNOWN &&
      columns[at + 1] === mtimeMs &&
      columns[at] === size &&
      columns[at + 3] === ino &&
      dev === this.device
    );
  }

  /** One that was read. `stat`: where it will tell of a change. */
  set(index: number, digest: Uint8Array, stat: Stats | undefined): void {
    this.digests.set(digest, index * DIGEST);
    const isTold = stat !== undefined && stat.dev === this.device;
    const at = index * COLUMNS;
    this.columns[at] = isTold ? stat.size : 0;
    this.columns[at + 1] = isTold ? stat.mtimeMs : 0;
    this.columns[at + CTIME] = isTold ? stat.ctimeMs : UNKNOWN;
    this.columns[at + 3] = isTold ? stat.ino : 0;
  }

  /** One that looks as it did. */
  copy(index: number, from: SeenFiles, at: number): void {
    this.digests.set(from.digestOf(at), index * DIGEST);
    this.columns.set(from.columns.subarray(at * COLUMNS, (at + 1) * COLUMNS), index * COLUMNS);
  }
}

/** Large ones begin at a page: those of other buffers are copied. */
function aligned(bytes: Buffer): Buffer {
  if (bytes.byteOffset % WORD === 0) return bytes;
  const copy = Buffer.alloc(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Not a copy. */
function wordsOf({ buffer, byteOffset }: Buffer, at: number, count: number): Float64Array {
  return new Float64Array(buffer, byteOffset + at, count);
}
