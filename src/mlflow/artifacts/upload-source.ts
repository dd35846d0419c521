import { readSync } from "node:fs";
import { CofferError } from "../../domain/error.ts";

/** Bytes to be uploaded: a file, or a range inside one (a blob in a pack). */
export interface UploadSource {
  /** Bytes. */
  size: number;
  /** Opens the file that holds them. Whoever calls it closes `fd`; it may be called again for another try. */
  open(): { fd: number; offset: number };
  /** All of them, where somebody has just read them: of a few kilobytes. */
  bytes?: Uint8Array;
  /** The path of a file that holds these bytes and nothing else, where there is one: it can be cloned or linked. */
  path?: string;
}

/**
 * Fills `buffer` from the opened source.
 * @throws CofferError CORRUPT where the file ends too early
 */
export function readSource(fd: number, buffer: Uint8Array, position: number): void {
  for (let at = 0; at < buffer.length;) {
    const count = readSync(fd, buffer, at, buffer.length - at, position + at);
    if (count === 0) throw new CofferError("CORRUPT", "a stored file is shorter than its record says", { hint: "run coffer verify" });
    at += count;
  }
}
