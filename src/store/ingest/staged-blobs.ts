import type { MovedIn } from "./staged.ts";

/** A blob in a file of its own, which waits in the staging directory. */
export interface StagedFile {
  path: string;
  moved: MovedIn | undefined;
  /** What its file in `binaries/` is named after. */
  type: string;
  class: string | null;
  original: string;
}

/** In place of an offset in the pack. */
const KNOWN = -1;
const IN_FILE = -2;
const FORGOTTEN = -3;

const DIGEST = 32;
const FIRST_ROOM = 1024;
/** Bits of a double that are exact. */
const EXACT_BITS = 53;

/**
 * The blobs of an ingest, each by a number: 0, 1, … in the order in which they came. Where their bytes wait: in the pack, in a file, or in the store already (as it was asked).
 * Columns instead of objects: a hundred bytes for each of many small files, and nothing for the garbage collector to look at.
 */
export class StagedBlobs {
  readonly files = new Map<number, StagedFile>();
  #count = 0;
  #digests = Buffer.alloc(FIRST_ROOM * DIGEST);
  #sizes = new Float64Array(FIRST_ROOM);
  #places = new Float64Array(FIRST_ROOM);
  /** Open addressing: a number plus one, at a place that the first four bytes of its digest give, or behind it. */
  #slots = new Int32Array(4 * FIRST_ROOM);

  /** Of all that were ever here: numbers are below it. */
  get count(): number {
    return this.#count;
  }

  /** The number of a blob; undefined where it is not here. */
  find(digest: Uint8Array): number | undefined {
    const blob = (this.#slots[this.#slotOf(digest)] as number) - 1;
    return blob >= 0 && this.has(blob) ? blob : undefined;
  }

  addKnown(digest: Uint8Array, size: number): number {
    return this.#put(digest, size, KNOWN);
  }

  /** `offset`: of its first byte in the pack. */
  addPacked(digest: Uint8Array, size: number, offset: number): number {
    return this.#put(digest, size, offset);
  }

  addFile(digest: Uint8Array, size: number, file: StagedFile): number {
    const blob = this.#put(digest, size, IN_FILE);
    this.files.set(blob, file);
    return blob;
  }

  /** It is not here any more. Nobody else gets its number. */
  forget(blob: number): void {
    this.#places[blob] = FORGOTTEN;
    this.files.delete(blob);
  }

  has(blob: number): boolean {
    return this.#places[blob] !== FORGOTTEN;
  }

  isKnown(blob: number): boolean {
    return this.#places[blob] === KNOWN;
  }

  /** Of its first byte in the pack; undefined where it is not there. */
  offsetOf(blob: number): number | undefined {
    const place = this.#places[blob] as number;
    return place >= 0 ? place : undefined;
  }

  sizeOf(blob: number): number {
    return this.#sizes[blob] as number;
  }

  /** 32 bytes; not a copy. */
  digestOf(blob: number): Buffer {
    return this.#digests.subarray(blob * DIGEST, (blob + 1) * DIGEST);
  }

  hexOf(blob: number): string {
    return this.#digests.toString("hex", blob * DIGEST, (blob + 1) * DIGEST);
  }

  /** All that are here, nearly in the order of their digests: of each as many bits count as leave room for its number in a double, which sorts without a comparison of ours. */
  byDigest(): Float64Array {
    const room = 2 ** Math.ceil(Math.log2(this.#count + 1));
    const bits = Math.min(32, EXACT_BITS - Math.log2(room));
    const keys = new Float64Array(this.#count);
    let here = 0;
    for (let blob = 0; blob < this.#count; blob++)
      if (this.has(blob)) keys[here++] = Math.floor(this.#digests.readUInt32BE(blob * DIGEST) / 2 ** (32 - bits)) * room + blob;
    return keys
      .subarray(0, here)
      .sort()
      .map((key) => key % room);
  }

  #put(digest: Uint8Array, size: number, place: number): number {
    const slot = this.#slotOf(digest);
    const before = (this.#slots[slot] as number) - 1;
    const blob = before >= 0 ? before : this.#count;
    if (blob === this.#sizes.length) {
      this.#grow();
      return this.#put(digest, size, place);
    }
    if (before < 0) {
      this.#digests.set(digest, blob * DIGEST);
      this.#slots[slot] = ++this.#count;
    } else this.files.delete(blob);
    this.#sizes[blob] = size;
    this.#places[blob] = place;
    return blob;
  }

  /** Where a digest is, or would be. */
  #slotOf(digest: Uint8Array): number {
    const last = this.#slots.length - 1;
    const first = (digest[0] as number) | ((digest[1] as number) << 8) | ((digest[2] as number) << 16) | ((digest[3] as number) << 24);
    for (let slot = first & last; ; slot = (slot + 1) & last) {
      const blob = (this.#slots[slot] as number) - 1;
      if (blob < 0 || this.#digests.compare(digest, 0, DIGEST, blob * DIGEST, (blob + 1) * DIGEST) === 0) return slot;
    }
  }

  #grow(): void {
    const room = 2 * this.#sizes.length;
    const digests = Buffer.alloc(room * DIGEST);
    digests.set(this.#digests);
    this.#digests = digests;
    this.#sizes = grown(this.#sizes, room);
    this.#places = grown(this.#places, room);
    this.#slots = new Int32Array(4 * room);
    for (let blob = 0; blob < this.#count; blob++) this.#slots[this.#slotOf(this.digestOf(blob))] = blob + 1;
  }
}

function grown(column: Float64Array, room: number): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(room);
  wider.set(column);
  return wider;
}
