import { readSync } from "node:fs";

/** Fills a buffer with what stands at a place of a file: read(2) may give less than it was asked for. Returns how much there is, which is less only at the end. */
export function readAt(fd: number, into: Uint8Array, at: number): number {
  let done = 0;
  while (done < into.length) {
    const read = readSync(fd, into, done, into.length - done, at + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}
