import { closeSync, constants, fstatSync, fsyncSync, lstatSync, openSync } from "node:fs";
import type { Stats } from "node:fs";
import { makeDirectory, syncDirectory, writeWhole } from "../../blobs/durable.ts";
import { flushCommitted } from "../../db/open/journal-mode.ts";
import * as journal from "../../db/records/journal.ts";
import { writing } from "../../db/open/open.ts";
import { CofferError, errno } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Store } from "../store.ts";
import { journalLines } from "./journal-lines.ts";
import { journalTail } from "./journal-tail.ts";

/** Nothing is written through a link, not even where somebody puts one while we look. What is no file must not keep us waiting. */
const APPEND = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Moves what the journal table holds to `manifests/journal.jsonl`, which outlives a lost database. A crash between the two leaves a line twice;
 * its `seq` says so to whoever reads it. Where the file has other lines under these numbers, an older database took the place of the one that wrote them: ours get
 * numbers behind those. `byOthers`: other processes may have committed these lines.
 * @throws CofferError UNREADABLE where something else is in the file's place
 */
export function flushJournal(store: Pick<Store, "db" | "say" | "path">, { byOthers }: { byOthers: boolean }): void {
  if (!journal.isPending(store.db)) return;
  writing(store.db, store.say, () => {
    const lines = journal.pending(store.db);
    const [first] = lines;
    if (!first) return;
    const path = store.path("manifests", "journal.jsonl");
    const fd = openToAppend(path, store);
    try {
      // the file never has a line that a crash can take from the database
      flushCommitted(store.db, byOthers);
      const { endsInLine, seq = 0 } = journalTail(fd);
      const numbered = seq < first.seq ? lines : numberOn(store, path, lines);
      const text = numbered.map(({ seq: number, line }) => `${lineOf(number, line)}\n`).join("");
      // a crash or a full disk may have left half a line: it must not swallow the next
      writeWhole(fd, Buffer.from(endsInLine ? text : `\n${text}`));
      syncPoint("journal.written");
      fsyncSync(fd);
      syncPoint("journal.flushed");
      journal.written(store.db, numbered.at(-1)?.seq ?? 0);
    } finally {
      closeSync(fd);
    }
  });
}

/** A line as it stands in the file. */
export function lineOf(seq: number, line: string): string {
  return `{"seq":${seq},${line.slice(1)}`;
}

type Pending = ReturnType<typeof journal.pending>;

function numberOn({ db }: Pick<Store, "db">, path: string, lines: Pending): Pending {
  const written = journal.lastWritten(db);
  const own = new Map(lines.map(({ seq, line }) => [seq, lineOf(seq, line)]));
  let highest = 0;
  let first: number | undefined;
  for (const { text, seq = 0, isWhole } of journalLines(path)) {
    if (!isWhole || seq <= written) continue;
    highest = Math.max(highest, seq);
    if (text !== own.get(seq)) first = Math.min(first ?? seq, seq);
  }
  // an earlier try was cut short
  if (first === undefined) return lines;
  journal.numberAbove(db, highest, { first, last: highest });
  return journal.pending(db);
}

/** Why nothing is appended to what lies at the journal's path; undefined where it is. */
export function journalRefusal(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && refusalOf(stat);
}

function refusalOf(stat: Stats): string | undefined {
  if (stat.isSymbolicLink()) return "it is a link, and nothing is written through one";
  if (!stat.isFile()) return "it is not a regular file";
  if (stat.nlink > 1) return "it is another file as well (it has more than one name), to which nothing is to be added";
  return undefined;
}

function openToAppend(path: string, store: Pick<Store, "path">): number {
  const directory = store.path("manifests");
  makeDirectory(directory);
  const fd = openOwn(path) ?? make(path, directory);
  const refusal = refusalOf(fstatSync(fd));
  if (refusal === undefined) return fd;
  closeSync(fd);
  throw refused(path, refusal);
}

function openOwn(path: string): number | undefined {
  try {
    return openSync(path, APPEND);
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    // a link, a directory, a socket
    const refusal = journalRefusal(path);
    throw refusal === undefined ? error : refused(path, refusal);
  }
}

function make(path: string, directory: string): number {
  const fd = openSync(path, APPEND | constants.O_CREAT, 0o644);
  syncDirectory(directory);
  return fd;
}

function refused(path: string, refusal: string): CofferError {
  return new CofferError("UNREADABLE", `${path}: ${refusal}`, {
    hint: "coffer verify --repair sets it aside, and writes the journal anew",
  });
}
