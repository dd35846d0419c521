import { closeSync } from "node:fs";
import { syncFile } from "../../blobs/durable.ts";

/** How many files may wait for their flush, each with a descriptor. */
const AT_ONCE = 64;

/** Files on their way to the disk. One that failed stays, so that the whole fails at the end. */
export class Flushes {
  readonly #waiting = new Set<Promise<void>>();

  /** Waits until another one may begin. */
  async room(): Promise<void> {
    while (this.#waiting.size >= AT_ONCE) await Promise.race(this.#waiting);
  }

  /** Flushes a file beside whatever is done with it. */
  begin(fd: number): Promise<void> {
    const flushed = syncFile(fd);
    // it is heard by whoever closes it
    flushed.catch(() => undefined);
    return flushed;
  }

  closeAfter(flushed: Promise<void>, fd: number): void {
    const closed = flushed.finally(() => closeSync(fd));
    this.#waiting.add(closed);
    closed.then(
      () => this.#waiting.delete(closed),
      () => undefined,
    );
  }

  async all(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  /** However they end: no descriptor is left. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#waiting);
  }
}
