import type { Database } from "bun:sqlite";

/** One later change, as `journal.jsonl` keeps it for `rebuild`. */
export interface JournalEntry {
  at: number;
  did:
    | "pin"
    | "unpin"
    | "alias"
    | "unalias"
    | "tag"
    | "untag"
    | "remove"
    | "restore"
    | "delete"
    | "withdraw"
    | "deliver"
    | "undeliver"
    | "cache-limit"
    | "event";
  [detail: string]: unknown;
}

export function append(db: Database, entry: JournalEntry): void {
  db.query("INSERT INTO journal (line) VALUES (?)").run(JSON.stringify(entry));
}

/** What the file does not have yet, in order. */
export function pending(db: Database): { seq: number; line: string }[] {
  return db.query<{ seq: number; line: string }, []>("SELECT seq, line FROM journal ORDER BY seq").all();
}

export function isPending(db: Database): boolean {
  return db.query("SELECT 1 FROM journal LIMIT 1").get() !== null;
}

export function written(db: Database, through: number): void {
  db.query("DELETE FROM journal WHERE seq <= ?").run(through);
}

/** The number of the last line that was ever written, here or to the file. */
export function lastSeq(db: Database): number {
  return (db.query("SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0) AS last").get() as { last: number }).last;
}
