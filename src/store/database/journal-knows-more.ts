import { closeSync } from "node:fs";
import * as integrity from "../../db/check/integrity.ts";
import * as journal from "../../db/records/journal.ts";
import type { Store } from "../store.ts";
import { lineOf } from "./journal-file.ts";
import { journalLines, openJournal } from "./journal-lines.ts";
import { journalTail } from "./journal-tail.ts";

const LOGGED = /^\{"seq":[0-9]+,"at":[0-9]+,"did":"log",/;
const AT_ONCE = 256;

/**
 * What the journal tells of that the database does not know, in words: an older one took the place of that which did. undefined where there is nothing. Lines that
 * cannot be read tell nothing.
 * @throws CofferError UNREADABLE where the journal is no file
 */
export function journalKnowsMore(store: Store): string | undefined {
  const beyond = new LinesBeyond(store);
  const logged = new LoggedLines(store);
  for (const { text, seq, isWhole } of journalLines(pathOf(store))) {
    if (isWhole && seq !== undefined) beyond.look(seq, text);
    logged.look(text);
  }
  return [beyond.words(), logged.words()].filter((words) => words !== undefined).join(", and ") || undefined;
}

/** The same, but of the journal only the end is read where that tells that there is nothing: it costs next to nothing then. */
export function journalKnowsMoreAtItsEnd(store: Store): string | undefined {
  return journal.unknown(store.db) || endsBeyond(store) ? journalKnowsMore(store) : undefined;
}

function endsBeyond(store: Store): boolean {
  const fd = openJournal(pathOf(store));
  if (fd === undefined) return false;
  try {
    // the file first: a line is in the database before it is there
    return (journalTail(fd).seq ?? 0) > journal.lastSeq(store.db);
  } finally {
    closeSync(fd);
  }
}

const pathOf = (store: Store): string => store.path("manifests", "journal.jsonl");

/** Lines that the database did not write: their numbers are still to come, are those of other lines that wait, or were noted when it numbered on behind them. */
class LinesBeyond {
  readonly #db: Store["db"];
  readonly #waiting: ReadonlyMap<number, string>;
  readonly #noted: journal.Lines | undefined;
  readonly #written: number;
  readonly #last: number;
  readonly #candidates: number[] = [];

  constructor({ db }: Store) {
    this.#db = db;
    this.#noted = journal.unknown(db);
    const waiting = journal.pending(db);
    this.#waiting = new Map(waiting.map(({ seq, line }) => [seq, lineOf(seq, line)]));
    this.#last = waiting.at(-1)?.seq ?? journal.lastSeq(db);
    this.#written = (waiting[0]?.seq ?? this.#last + 1) - 1;
  }

  look(seq: number, text: string): void {
    if (isWithin(seq, this.#noted) || (seq > this.#written && this.#waiting.get(seq) !== text)) this.#candidates.push(seq);
  }

  /** Others may have written meanwhile: what they wrote is in the database first. */
  words(): string | undefined {
    const [noted, last] = [journal.unknown(this.#db), journal.lastSeq(this.#db)];
    const unknown = this.#candidates.filter((seq) => seq <= this.#last || seq > last || isWithin(seq, noted));
    if (unknown.length === 0) return undefined;
    const from = unknown.reduce((one, other) => Math.min(one, other));
    const to = unknown.reduce((one, other) => Math.max(one, other));
    return `tells of changes that the database does not know (${from === to ? `line ${from}` : `lines ${from} to ${to}`})`;
  }
}

function isWithin(seq: number, lines: journal.Lines | undefined): boolean {
  return lines !== undefined && seq >= lines.first && seq <= lines.last;
}

/** Artifacts that were logged to runs while they went on, and are not in the database. */
class LoggedLines {
  readonly #db: Store["db"];
  readonly #asked = new Map<string, string>();
  #unknown: string | undefined;

  constructor({ db }: Store) {
    this.#db = db;
  }

  look(line: string): void {
    if (this.#unknown !== undefined || !LOGGED.test(line)) return;
    const { run, uids } = loggedIn(line);
    for (const uid of uids) this.#asked.set(uid, run);
    if (this.#asked.size >= AT_ONCE) this.#ask();
  }

  words(): string | undefined {
    this.#ask();
    return this.#unknown && `tells of what was logged to a run, ${this.#unknown}, and is not in the database`;
  }

  #ask(): void {
    if (this.#unknown === undefined && integrity.lacksArtifact(this.#db, [...this.#asked.keys()]))
      this.#unknown = [...this.#asked].find(([uid]) => integrity.lacksArtifact(this.#db, [uid]))?.[1];
    this.#asked.clear();
  }
}

function loggedIn(line: string): { run: string; uids: string[] } {
  try {
    const { run, artifacts } = JSON.parse(line) as { run?: unknown; artifacts?: { uid?: unknown }[] };
    return { run: String(run), uids: (artifacts ?? []).flatMap(({ uid }) => (typeof uid === "string" ? [uid] : [])) };
  } catch {
    return { run: "", uids: [] };
  }
}
