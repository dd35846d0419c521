import { fstatSync } from "node:fs";
import { readAt } from "../../blobs/read-at.ts";

/** Bytes: nearly every line is shorter. */
const FIRST_LOOK = 4096;
/** The next look at the end of the file is so many times as long. */
const FACTOR = 16;
/** Bytes: far more than any line that we write. */
const LONGEST_LOOK = 64 << 20;

/** How a journal ends. */
export interface JournalTail {
  /** What is appended begins a line: a crash or a full disk leaves half of one. */
  endsInLine: boolean;
  /** The number of the last line that has one; undefined where none has. */
  seq: number | undefined;
}

/** Reads no more of a journal than it takes to know how it ends. */
export function journalTail(fd: number): JournalTail {
  const { size } = fstatSync(fd);
  for (let length = FIRST_LOOK; ; length *= FACTOR) {
    const from = Math.max(size - length, 0);
    const end = Buffer.alloc(size - from);
    const text = end.toString("latin1", 0, readAt(fd, end, from));
    const numbers = [...text.matchAll(from === 0 ? /(?:^|\n)\{"seq":([0-9]+),/g : /\n\{"seq":([0-9]+),/g)];
    const seq = numbers.at(-1)?.[1];
    if (seq === undefined && from > 0 && length < LONGEST_LOOK) continue;
    return { endsInLine: text === "" || text.endsWith("\n"), seq: seq === undefined ? undefined : Number(seq) };
  }
}
