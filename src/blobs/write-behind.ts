import { fdatasync, write, writeSync } from "node:fs";

/** Bytes of a buffer: what was filled is still in the processor's own memory when it is written. */
const SEGMENT = 1 << 19;
const SEGMENTS = 6;
/** So many bytes are sent to the disk together, so that the last flush finds little left. */
const FLUSH_EVERY = 32 << 20;

/**
 * Writes a new file from front to back out of few buffers, in another thread: whoever fills them does not wait for the kernel to copy, nor for most of the disk.
 * No flush of its own is one to rely on. A write that failed is thrown by whatever is called next, until the end.
 */
export class WriteBehind {
  readonly #fd: number;
  readonly #free: Buffer[] = [];
  readonly #going = new Set<Promise<void>>();
  #segments = 0;
  #written = 0;
  #flushedTo = 0;
  #isFlushing = false;
  #failure: { error: unknown } | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Bytes that one buffer has. */
  static readonly SEGMENT = SEGMENT;

  /** Where the next byte goes. */
  get position(): number {
    return this.#written;
  }

  /** An empty buffer: to be given back by `write`. */
  take(): Buffer {
    this.#throwFailure();
    const free = this.#free.pop();
    if (free) return free;
    this.#segments++;
    return Buffer.allocUnsafeSlow(SEGMENT);
  }

  /** Writes the beginning of a buffer that was taken, which belongs to this from now on. */
  write(segment: Buffer, length: number): void {
    this.#throwFailure();
    const at = this.#written;
    this.#written += length;
    // nothing is free: who fills faster than another thread writes does some of it
    if (this.#segments >= SEGMENTS && this.#free.length === 0) {
      this.#writeHere(segment, length, at);
      this.#free.push(segment);
    } else this.#inBackground(writeBehind(this.#fd, segment, length, at).finally(() => this.#free.push(segment)));
  }

  /** Writes at once what is no buffer of ours. */
  writeNow(bytes: Uint8Array): void {
    this.#throwFailure();
    this.#writeHere(bytes, bytes.length, this.#written);
    this.#written += bytes.length;
  }

  /** Waits until all is written, durable or not. */
  async done(): Promise<void> {
    await this.settled();
    this.#throwFailure();
  }

  /** The same, however it ended: nothing uses the descriptor any more. */
  async settled(): Promise<void> {
    while (this.#going.size > 0) await Promise.all(this.#going);
  }

  #writeHere(bytes: Uint8Array, length: number, position: number): void {
    try {
      // write(2) may take less than it was given
      for (let at = 0; at < length;) at += writeSync(this.#fd, bytes, at, length - at, position + at);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  #inBackground(work: Promise<void>): void {
    const going: Promise<void> = work.then(
      () => this.#ended(going),
      (error: unknown) => {
        this.#failure ??= { error };
        this.#ended(going);
      },
    );
    this.#going.add(going);
  }

  #ended(going: Promise<void>): void {
    this.#going.delete(going);
    if (this.#isFlushing || this.#failure || this.#written - this.#flushedTo < FLUSH_EVERY) return;
    this.#isFlushing = true;
    this.#flushedTo = this.#written;
    this.#inBackground(flushBehind(this.#fd).finally(() => (this.#isFlushing = false)));
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

async function writeBehind(fd: number, bytes: Uint8Array, length: number, position: number): Promise<void> {
  for (let at = 0; at < length;) at += await writeOnce(fd, bytes, at, length - at, position + at);
}

function writeOnce(fd: number, bytes: Uint8Array, from: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    write(fd, bytes, from, length, position, (error, written) => (error ? reject(error) : resolve(written))),
  );
}

function flushBehind(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())));
}
