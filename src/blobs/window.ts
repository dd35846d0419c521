import { readAt } from "./read-at.ts";

/** The part of a file that was looked at last: what stands in it is shown without a call of the system. */
export class Window {
  /** Bytes, at most: what was read is still in the processor's own memory when it is hashed and written. */
  static readonly MOST = 1 << 19;

  #bytes: Buffer | undefined;
  #from = 0;
  #length = 0;

  /** What stands at a place, until the next look; undefined where not all of it is in sight. */
  show(offset: number, size: number): Buffer | undefined {
    const start = offset - this.#from;
    return start >= 0 && start + size <= this.#length ? this.#bytes?.subarray(start, start + size) : undefined;
  }

  /** Whether a place lies in sight, or at most so many bytes behind what is. */
  isNear(offset: number, bytes: number): boolean {
    return offset >= this.#from && offset <= this.#from + this.#length + bytes;
  }

  /** At so many bytes of an open file. Of what cannot be read nothing is in sight. */
  look(fd: number, offset: number, reach: number): void {
    this.#bytes ??= Buffer.allocUnsafeSlow(Window.MOST);
    this.#from = offset;
    try {
      this.#length = readAt(fd, this.#bytes.subarray(0, reach), offset);
    } catch {
      this.#length = 0;
    }
  }
}
