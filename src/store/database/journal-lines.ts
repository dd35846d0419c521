import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { FOLLOWING_READ } from "../../blobs/copy.ts";
import { CofferError, errno } from "../../domain/error.ts";

const CHUNK = 1 << 20;
/** Characters: far more than any line that we write. */
const LONGEST = 64 << 20;
/** No line was ever written that has a greater number: one more than it has is a number still. */
export const HIGHEST = 2 ** 52;
/** What is given of a longer one. */
const BEGINNING = 1024;

export interface JournalLine {
  /** Without its end. */
  text: string;
  /** Its number, which it begins with; undefined where that cannot be read. */
  seq: number | undefined;
  /** It ends as what was written to its end. */
  isWhole: boolean;
  /** `text` is its beginning: all of it would not fit into memory. */
  isTooLong: boolean;
}

/**
 * The lines of a journal one after the other, since that of a large store is large. None where there is no such file.
 * @throws CofferError UNREADABLE where something else stands in its place, such as a FIFO, which would never end
 */
export function* journalLines(path: string, longest = LONGEST): Generator<JournalLine> {
  const fd = openJournal(path);
  if (fd === undefined) return;
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const decoder = new TextDecoder();
    // pieces are joined once, at the end of their line
    let begun: string[] = [];
    let length = 0;
    const add = (piece: string): void => {
      length += piece.length;
      if (length <= longest) begun.push(piece);
      else if (begun.length !== 1 || (begun[0] as string).length > BEGINNING) begun = [[...begun, piece].join("").slice(0, BEGINNING)];
    };
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      const [first = "", ...rest] = decoder.decode(buffer.subarray(0, read), { stream: true }).split("\n");
      add(first);
      for (const next of rest) {
        yield lineOf(begun, length > longest);
        begun = [];
        length = 0;
        add(next);
      }
    }
    add(decoder.decode());
    if (length > 0) yield lineOf(begun, length > longest);
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens it for reading; undefined where there is none.
 * @throws CofferError UNREADABLE where something else stands in its place
 */
export function openJournal(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, FOLLOWING_READ);
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new CofferError("UNREADABLE", `${path} is not a regular file`, {
    hint: "coffer verify --repair moves it away, and writes the journal anew",
  });
}

function lineOf(pieces: readonly string[], isTooLong: boolean): JournalLine {
  const joined = pieces.join("");
  const text = joined.endsWith("\r") ? joined.slice(0, -1) : joined;
  const number = Number(/^\{"seq":([0-9]+),/.exec(text)?.[1]);
  const seq = number <= HIGHEST ? number : undefined;
  return {
    text,
    seq,
    isWhole: !isTooLong && seq !== undefined && text.endsWith("}"),
    isTooLong,
  };
}
