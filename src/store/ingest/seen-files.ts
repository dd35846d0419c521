import type { Stats } from "node:fs";
import type { Blake3 } from "../../blobs/blake3.ts";

/*
 * What the files of a unit looked like when they were read, in one run of bytes, since a row a file would cost as much as the files:
 *
 *     checksum of all that follows                        32 bytes
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
const COLUMNS_AT = 3 * DIGEST + 4 * WORD;
/** In place of a ctime: the file may have changed unnoticed since it was read. */
const UNKNOWN = 0;

/** A unit as it was read before. */
export class SeenFiles {
  /** Hex digits: of a directory, its list's. */
  readonly hex: string;
  /** Hex digits of links and bare directories, as a list of their own. */
  readonly others: string;
  readonly paths: readonly string[];
  readonly device: number;
  readonly columns: Float64Array;
  readonly digests: Buffer;

  private constructor(
    head: { hex: string; others: string; device: number },
    paths: readonly string[],
    columns: Float64Array,
    digests: Buffer,
  ) {
    this.hex = head.hex;
    this.others = head.others;
    this.device = head.device;
    this.paths = paths;
    this.columns = columns;
    this.digests = digests;
  }

  /** Undefined where the bytes are not what `SeenBuilder` made. */
  static decode(bytes: Uint8Array, blake3: Blake3): SeenFiles | undefined {
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (all.length < COLUMNS_AT || !blake3.hash(all.subarray(DIGEST)).equals(all.subarray(0, DIGEST))) return undefined;
    const [format, files, pathBytes, device] = [...wordsOf(all, DIGEST, 4)] as [number, number, number, number];

    const digestsAt = COLUMNS_AT + files * COLUMNS * WORD;
    const pathsAt = digestsAt + files * DIGEST;
    if (format !== FORMAT || all.length !== pathsAt + pathBytes) return undefined;
    const paths = all.toString("utf8", pathsAt).split("\0").slice(0, -1);
    if (paths.length !== files) return undefined;
    const head = {
      hex: all.toString("hex", COLUMNS_AT - 2 * DIGEST, COLUMNS_AT - DIGEST),
      others: all.toString("hex", COLUMNS_AT - DIGEST, COLUMNS_AT),
      device,
    };
    return new SeenFiles(head, paths, wordsOf(all, COLUMNS_AT, files * COLUMNS), all.subarray(digestsAt, pathsAt));
  }

  hexOf(index: number): string {
    return this.digests.toString("hex", index * DIGEST, (index + 1) * DIGEST);
  }

  /** Whether this is the very file, unchanged. */
  isUnchanged(index: number, { ctimeMs, mtimeMs, size, ino, dev }: Stats): boolean {
    const at = index * COLUMNS;
    const columns = this.columns;
    return (
      columns[at + 2] === ctimeMs &&
      ctimeMs !== UNKNOWN &&
      columns[at + 1] === mtimeMs &&
      columns[at] === size &&
      columns[at + 3] === ino &&
      dev === this.device
    );
  }
}

/** The same of a unit that is being read. */
export class SeenBuilder {
  readonly #paths: readonly string[];
  readonly #device: number;
  readonly #columns: Float64Array;
  readonly #digests: Buffer;
  #noted = 0;
  #believed = 0;

  constructor(paths: readonly string[], device: number) {
    this.#paths = paths;
    this.#device = device;
    this.#columns = new Float64Array(paths.length * COLUMNS);
    this.#digests = Buffer.alloc(paths.length * DIGEST);
  }

  /** `stat`: where it will tell of a change. */
  note(index: number, hex: string, stat: Stats | undefined): void {
    this.#noted++;
    this.#digests.write(hex, index * DIGEST, "hex");
    if (stat === undefined || stat.dev !== this.#device) return;
    this.#believed++;
    const at = index * COLUMNS;
    this.#columns[at] = stat.size;
    this.#columns[at + 1] = stat.mtimeMs;
    this.#columns[at + 2] = stat.ctimeMs;
    this.#columns[at + 3] = stat.ino;
  }

  /** One that looks as it did. */
  copy(index: number, from: SeenFiles, at: number): void {
    this.#noted++;
    this.#believed++;
    this.#digests.set(from.digests.subarray(at * DIGEST, (at + 1) * DIGEST), index * DIGEST);
    this.#columns.set(from.columns.subarray(at * COLUMNS, (at + 1) * COLUMNS), index * COLUMNS);
  }

  /** Undefined where a file is missing, or none will be believed. */
  encode(unit: { hex: string; others: string }, blake3: Blake3): Buffer | undefined {
    const files = this.#paths.length;
    if (this.#noted !== files || this.#believed === 0) return undefined;
    const paths = Buffer.from(`${this.#paths.join("\0")}\0`);
    const words = new Float64Array([FORMAT, files, paths.length, this.#device]);
    const all = Buffer.concat([
      Buffer.alloc(DIGEST),
      bytesOf(words),
      Buffer.from(unit.hex + unit.others, "hex"),
      bytesOf(this.#columns),
      this.#digests,
      paths,
    ]);
    all.set(blake3.hash(all.subarray(DIGEST)));
    return all;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Copied, since they need not be aligned. */
function wordsOf(bytes: Buffer, at: number, count: number): Float64Array {
  return new Float64Array(Uint8Array.prototype.slice.call(bytes, at, at + count * WORD).buffer);
}
