import type { Database } from "bun:sqlite";
import * as metadata from "../open/metadata.ts";

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
    | "event"
    | "log"
    | "anew";
  [detail: string]: unknown;
}

export function append(db: Database, entry: JournalEntry): void {
  db.query("INSERT INTO journal (line) VALUES (?)").run(JSON.stringify(entry));
}

/** Says once more what only the journal tells of: aliases, pins, and what the store was given for its cache. */
export function appendStanding(db: Database, at: number): void {
  const rows = db
    .query<{ line: string }, [number]>(
      `SELECT json_object('at', set_at, 'did', 'alias', 'name', l.name, 'alias', alias, 'artifact', uid) AS line FROM aliases l JOIN artifacts a ON a.seq = l.artifact
       UNION ALL SELECT json_object('at', set_at, 'did', 'pin', 'artifact', uid, 'note', note) FROM pins p JOIN artifacts a ON a.seq = p.artifact
       UNION ALL SELECT json_object('at', ?1, 'did', 'cache-limit', 'name', substr(key, 7), 'value', CAST(value AS NUMERIC)) FROM store WHERE key IN ('cache.max_size', 'cache.max_entries')`,
    )
    .all(at);
  for (const { line } of rows) db.query("INSERT INTO journal (line) VALUES (?)").run(line);
}

/** What only the journal tells of beside the rows. */
export function standing(db: Database): {
  aliases: { name: string; alias: string; artifact: string; at: number }[];
  pins: { artifact: string; note: string | null; at: number }[];
} {
  const aliases = db.query<{ name: string; alias: string; artifact: string; at: number }, []>(
    "SELECT l.name, alias, uid AS artifact, set_at AS at FROM aliases l JOIN artifacts a ON a.seq = l.artifact",
  );
  const pins = db.query<{ artifact: string; note: string | null; at: number }, []>(
    "SELECT uid AS artifact, note, set_at AS at FROM pins p JOIN artifacts a ON a.seq = p.artifact",
  );
  return { aliases: aliases.all(), pins: pins.all() };
}

/** Those of some uids that an artifact has which is no tombstone. */
export function uids(db: Database, some: readonly string[]): string[] {
  const rows = db.query("SELECT value FROM json_each(?) WHERE value IN (SELECT uid FROM artifacts WHERE state <> 'deleted')");
  return (rows.values(JSON.stringify(some)) as [string][]).map(([uid]) => uid);
}

/** What the file does not have yet, in order. */
export function pending(db: Database): { seq: number; line: string }[] {
  return db.query<{ seq: number; line: string }, []>("SELECT seq, line FROM journal ORDER BY seq").all();
}

/** Ids of runs and uids of artifacts that lines tell of which the file does not have yet. */
export function pendingOwners(db: Database): string[] {
  const owners = db.query("SELECT ifnull(line ->> 'run', line ->> 'artifact') FROM journal").values() as [string | null][];
  return owners.flatMap(([owner]) => owner ?? []);
}

export function isPending(db: Database): boolean {
  return db.query("SELECT 1 FROM journal LIMIT 1").get() !== null;
}

export function written(db: Database, through: number): void {
  db.query("DELETE FROM journal WHERE seq <= ?").run(through);
}

/** The number of the last line that the file has. */
export function lastWritten(db: Database): number {
  const { first } = db.query("SELECT min(seq) AS first FROM journal").get() as { first: number | null };
  return first === null ? lastSeq(db) : first - 1;
}

/** The number of the last line that was ever written, here or to the file. */
export function lastSeq(db: Database): number {
  return (db.query("SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0) AS last").get() as { last: number }).last;
}

/** Numbers of lines, both inclusive. */
export interface Lines {
  first: number;
  last: number;
}

const UNKNOWN = "journal.unknown";

/** Lines that the file had and this database never knew, from when it had to number on behind them: it took the place of a newer one. */
export function unknown(db: Database): Lines | undefined {
  const [first, last] = (metadata.get(db, UNKNOWN) ?? "").split("-").map(Number);
  return first && last ? { first, last } : undefined;
}

/**
 * Gives the lines that wait, and all to come, numbers above those that the file has, and notes which of these are unknown: no number is given twice, and a rebuild
 * does what the lines tell in the order in which it was done.
 */
export function numberAbove(db: Database, highest: number, strange: Lines): void {
  const by = highest - lastWritten(db);
  // by way of numbers that none has: each is to be the only one at any moment
  db.query("UPDATE journal SET seq = -(seq + ?)").run(by);
  db.run("UPDATE journal SET seq = -seq WHERE seq < 0");
  db.query("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'journal'").run(by);
  const noted = unknown(db) ?? strange;
  metadata.set(db, UNKNOWN, `${Math.min(noted.first, strange.first)}-${Math.max(noted.last, strange.last)}`);
}

export function forgetUnknown(db: Database): void {
  metadata.remove(db, UNKNOWN);
}

/** The last line of which, and of all before it, rows know everything. */
export function knownThrough(db: Database): number {
  const noted = unknown(db);
  return noted ? noted.first - 1 : lastSeq(db);
}
