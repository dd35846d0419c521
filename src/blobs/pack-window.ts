import { closeSync, openSync } from "node:fs";
import { FOLLOWING_READ } from "./copy.ts";
import { readMemberOf } from "./pack.ts";
import { readAt } from "./read-at.ts";

/** Bytes: what was read is still in the processor's own memory when it is hashed and written. */
const WINDOW = 1 << 19;

/** Reads members of one pack in the order of the file: many at once, since a call of the system for each of 100,000 takes as long as all else. */
export class PackWindow implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  readonly #bytes = Buffer.allocUnsafeSlow(WINDOW);
  #from = 0;
  #length = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, FOLLOWING_READ);
  }

  /** A member's bytes, its own until the next one is asked for. @throws CofferError CORRUPT where the pack is cut short */
  read(offset: number, size: number): Buffer {
    if (!this.#has(offset, size)) this.#look(offset);
    const start = offset - this.#from;
    // larger, behind the end, or beside what the disk cannot read: it is read, or refused, by itself
    return this.#has(offset, size)
      ? this.#bytes.subarray(start, start + size)
      : readMemberOf({ fd: this.#fd, path: this.#path }, offset, size);
  }

  #has(offset: number, size: number): boolean {
    return offset >= this.#from && offset + size <= this.#from + this.#length;
  }

  #look(offset: number): void {
    this.#from = offset;
    try {
      this.#length = readAt(this.#fd, this.#bytes, offset);
    } catch {
      this.#length = 0;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
