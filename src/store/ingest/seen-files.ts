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
const COLUMNS_AT = 4 * WORD + 2 * DIGEST;
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
  const all = Bun.zstdDecompressSync(small);
  const [format, count, pathBytes, device] = [...wordsOf(all, 0, 4)] as [number, number, number, number];

  const digestsAt = COLUMNS_AT + count * COLUMNS * WORD;
  const pathsAt = digestsAt + count * DIGEST;
  if (format !== FORMAT || all.length !== pathsAt + pathBytes) return undefined;
  const paths = all.toString("utf8", pathsAt).split("\0").slice(0, -1);
  if (paths.length !== count) return undefined;
  return {
    hex: all.toString("hex", COLUMNS_AT - 2 * DIGEST, COLUMNS_AT - DIGEST),
    others: all.toString("hex", COLUMNS_AT - DIGEST, COLUMNS_AT),
    files: new SeenFiles(paths, device, { columns: wordsOf(all, COLUMNS_AT, count * COLUMNS), digests: all.subarray(digestsAt, pathsAt) }),
  };
}

/** Undefined where none of them will be believed. */
export function encodeSeen({ hex, others, files }: SeenUnit, blake3: Blake3): Buffer | undefined {
  if (!files.paths.some((_, index) => files.isBelieved(index))) return undefined;
  const paths = Buffer.from(`${files.paths.join("\0")}\0`);
  const words = new Float64Array([FORMAT, files.paths.length, paths.length, files.device]);
  const parts = [bytesOf(words), Buffer.from(hex + others, "hex"), bytesOf(files.columns), files.digests, paths];
  const small = Bun.zstdCompressSync(Buffer.concat(parts), { level: LEVEL });
  return Buffer.concat([blake3.hash(small), small]);
}

/** What some files looked like, by their places among their sorted paths. Of one that was not set, nothing is believed. */
export class SeenFiles {
  readonly paths: readonly string[];
  readonly device: number;
  readonly columns: Float64Array;
  readonly digests: Buffer;

  constructor(paths: readonly string[], device: number, filled?: { columns: Float64Array; digests: Buffer }) {
    this.paths = paths;
    this.device = device;
    this.columns = filled?.columns ?? new Float64Array(paths.length * COLUMNS);
    this.digests = filled?.digests ?? Buffer.alloc(paths.length * DIGEST);
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
  set(index: number, hex: string, stat: Stats | undefined): void {
    this.digests.write(hex, index * DIGEST, "hex");
    const isTold = stat !== undefined && stat.dev === this.device;
    this.columns.set(isTold ? [stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino] : [0, 0, UNKNOWN, 0], index * COLUMNS);
  }

  /** One that looks as it did. */
  copy(index: number, from: SeenFiles, at: number): void {
    this.digests.set(from.digests.subarray(at * DIGEST, (at + 1) * DIGEST), index * DIGEST);
    this.columns.set(from.columns.subarray(at * COLUMNS, (at + 1) * COLUMNS), index * COLUMNS);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Copied, since they need not be aligned. */
function wordsOf(bytes: Buffer, at: number, count: number): Float64Array {
  return new Float64Array(Uint8Array.prototype.slice.call(bytes, at, at + count * WORD).buffer);
}
