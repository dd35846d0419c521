import type { Database } from "bun:sqlite";
import { ofDataset } from "../records/of-dataset.ts";
import { NEWEST, protectedRows } from "./protection.ts";
import type { Keeper } from "./protection.ts";

/*
 * What gc asks of the database as a whole. It is answered with sets (temporary tables of this connection): a query for each of a million artifacts would
 * take longer than anybody waits, and a million of them do not fit into memory as objects. CROSS JOIN says which table is read first: the planner knows
 * nothing about these sets.
 *
 *   gc_garbage   artifacts that a rule condemns: by which rule, and the number that goes with it (a time, or a count of versions)
 *   gc_kept      those that something protects, taken out of the garbage: by words, or by the artifact that was made from it
 *   gc_stopped   why nothing goes at all; mostly empty
 *   gc_leases    leases that protect what they hold
 *   gc_unnamed   blobs that nothing names now, and that the plan takes; gc_left: those that it leaves
 *   gc_dead      blobs that nothing names once the garbage is gone
 *   gc_packs     what becomes of each pack: how many members stay and die, what a pack of those that stay takes, and the bytes of the others
 *   gc_rooted    artifacts that stay even where room is wanted
 *   gc_members   what lay in directories whose rows are taken away just now; gc_next: those among it that nothing names by then
 */
const SETS = {
  gc_garbage: "seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, detail INTEGER NOT NULL",
  gc_kept: "seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, because TEXT, needed_by INTEGER",
  gc_stopped: "because TEXT NOT NULL",
  gc_leases: "seq INTEGER PRIMARY KEY",
  gc_unnamed: "seq INTEGER PRIMARY KEY",
  gc_left: "seq INTEGER PRIMARY KEY",
  gc_dead: "seq INTEGER PRIMARY KEY",
  gc_packs: "seq INTEGER PRIMARY KEY, members INTEGER NOT NULL, dying INTEGER NOT NULL, live INTEGER NOT NULL, dead INTEGER NOT NULL",
  gc_rooted: "seq INTEGER PRIMARY KEY",
  gc_members: "seq INTEGER PRIMARY KEY",
  gc_next: "seq INTEGER PRIMARY KEY",
} as const;

/** Makes them, empty but for leases. `stopped`: why nothing goes. Not inside a transaction. */
export function openSets(db: Database, given: { leases: readonly number[]; stopped: string | undefined }): void {
  db.run("PRAGMA temp_store = MEMORY");
  for (const [set, columns] of Object.entries(SETS)) {
    db.run(`CREATE TEMP TABLE IF NOT EXISTS ${set} (${columns})`);
    db.run(`DELETE FROM temp.${set}`);
  }
  db.query("INSERT INTO temp.gc_leases SELECT value FROM json_each(?)").run(JSON.stringify(given.leases));
  if (given.stopped !== undefined) db.query("INSERT INTO temp.gc_stopped VALUES (?)").run(given.stopped);
}

/** Why nothing goes, where that is so. After `openSets`. */
export function stoppedBecause(db: Database): string | undefined {
  return db.query<{ because: string }, []>("SELECT because FROM temp.gc_stopped").get()?.because;
}

// What rules condemn; each returns how many it did ----------------------------------------------------------------------------------------------

export const RULES = ["removed", "failed-runs", "versions", "age", "size", "purge"] as const;
/** A rule's word, the same here, in a plan, and on the screen. */
export type Rule = (typeof RULES)[number];
export type Counts = Partial<Record<Rule, number>>;

const condemn = (rule: Rule, detail: string, from: string): string =>
  `INSERT OR IGNORE INTO temp.gc_garbage (seq, rule, detail) SELECT a.seq, '${rule}', ${detail} FROM ${from}`;

/** For the planner, which uses a partial index only where the index's own words stand in the query. */
const OUT_OF_SIGHT = "a.state IN ('withdrawn', 'removed')";

/** What `rm` took out of sight no later than a time. */
export function condemnRemoved(db: Database, until: number): number {
  return db
    .query(condemn("removed", "a.state_at", `artifacts a WHERE ${OUT_OF_SIGHT} AND a.state = 'removed' AND a.state_at <= ?`))
    .run(until).changes;
}

/** What `rm` took out of sight later than a time: how many, and when the first and the last of them. */
export function removedSince(db: Database, after: number): { items: number; first: number | null; last: number | null } {
  return db
    .query<{ items: number; first: number | null; last: number | null }, [number]>(
      `SELECT count(*) AS items, min(a.state_at) AS first, max(a.state_at) AS last FROM artifacts a WHERE ${OUT_OF_SIGHT} AND a.state = 'removed' AND a.state_at > ?`,
    )
    .get(after) as { items: number; first: number | null; last: number | null };
}

/** What runs that ended no later than a time took back when they failed. */
export function condemnWithdrawn(db: Database, until: number): number {
  const since = "ifnull(r.ended_at, a.state_at)";
  return db
    .query(
      condemn(
        "failed-runs",
        since,
        `artifacts a JOIN runs r ON r.seq = a.run WHERE ${OUT_OF_SIGHT} AND a.state = 'withdrawn' AND r.state <> 'running' AND ${since} <= ?`,
      ),
    )
    .run(until).changes;
}

/** Live versions that have at least `keep` newer ones. */
export function condemnVersions(db: Database, keep: number): number {
  // live are those that are nothing else: that takes three indexes and no row
  const counted = `(SELECT seq, row_number() OVER (PARTITION BY name ORDER BY version DESC) - 1 AS newer FROM artifacts
    WHERE seq NOT IN (SELECT seq FROM artifacts WHERE state IN ('withdrawn', 'removed')) AND seq NOT IN (SELECT seq FROM artifacts WHERE state = 'deleted') AND name IN (SELECT substr(key, 6) FROM series WHERE key >= 'name ' AND key < 'name!' AND last_version > ?1)) a WHERE a.newer >= ?1 ORDER BY a.seq`;
  return db.query(condemn("versions", "a.newer", counted)).run(keep).changes;
}

/** Live ones that were made before a time; the newest versions of their names among them are kept. */
export function condemnOld(db: Database, before: number): number {
  const { changes } = db.query(condemn("age", "a.created_at", "artifacts a WHERE a.state = 'live' AND a.created_at < ?")).run(before);
  keep(
    db,
    "'it is the newest version of its name'",
    "NULL",
    `(${NEWEST}) n CROSS JOIN temp.gc_garbage g ON g.seq = n.seq WHERE g.rule = 'age'`,
  );
  return changes;
}

/** All of a dataset, in sight or not. */
export function condemnDataset(db: Database, dataset: string, at: number): number {
  return db
    .query(condemn("purge", "?2", `artifacts a WHERE a.state <> 'deleted' AND ${ofDataset("a.dataset", dataset, "?1")}`))
    .run(dataset, at).changes;
}

/** Some that go for the sake of room. When each was last used is not written down: it is asked of those that are told of. */
export function condemnForRoom(db: Database, seqs: Float64Array): void {
  insertAll(db, "INSERT OR IGNORE INTO temp.gc_garbage (seq, rule, detail) SELECT value, 'size', 0 FROM json_each(?)", seqs);
}

/** When the bytes of the artifact `a` were last used. */
const LAST_USED = "max(a.created_at, ifnull((SELECT last_used FROM blob_uses WHERE blob = a.blob), 0))";
/** What goes with the rule of the garbage `g`. */
export const DETAIL = `iif(g.rule = 'size', ${LAST_USED}, g.detail)`;

const INSERTED_AT_ONCE = 100_000;

/** Runs an insertion that reads a JSON list, over a million numbers or more. */
export function insertAll(db: Database, insertion: string, seqs: Float64Array): void {
  const insert = db.query(insertion);
  for (let at = 0; at < seqs.length; at += INSERTED_AT_ONCE) insert.run(`[${seqs.subarray(at, at + INSERTED_AT_ONCE).join()}]`);
}

// What is kept all the same ---------------------------------------------------------------------------------------

/** Takes out of the garbage what something protects, and what something that stays was made from. `except`: what protects nothing this time. */
export function spareProtected(db: Database, except: ReadonlySet<Keeper>): void {
  for (const rows of protectedRows(except)) keep(db, "k.because", "NULL", `(${rows}) k CROSS JOIN temp.gc_garbage g ON g.seq = k.artifact`);
  keep(db, "NULL", "k.by", `(${needed(garbageCount(db) > MANY)}) k CROSS JOIN temp.gc_garbage g ON g.seq = k.seq`);
}

/** From here on one look at each edge costs less than one at each artifact's edges. */
const MANY = 100_000;

/**
 * Garbage that something was made from that is none (and no tombstone), what that was made from, and so on; each with what was made from it.
 * The plus keeps SQLite from searching the edges once for each piece of garbage.
 */
function needed(many: boolean): string {
  const stays = (artifact: string): string =>
    `${artifact} NOT IN (SELECT seq FROM temp.gc_garbage) AND ${artifact} NOT IN (SELECT seq FROM artifacts WHERE state = 'deleted')`;
  const from = (table: string, column: string): string =>
    many
      ? `SELECT e.${column}, e.artifact FROM ${table} e WHERE +e.${column} IN (SELECT seq FROM temp.gc_garbage) AND ${stays("+e.artifact")}`
      : `SELECT e.${column}, e.artifact FROM temp.gc_garbage g CROSS JOIN ${table} e ON e.${column} = g.seq WHERE ${stays("e.artifact")}`;
  const onward = (table: string, column: string): string =>
    `SELECT e.${column}, e.artifact FROM needed n CROSS JOIN ${table} e ON e.artifact = n.seq WHERE +e.${column} IN (SELECT seq FROM temp.gc_garbage)`;
  return `WITH RECURSIVE needed (seq, by) AS (${from("edges", "dependency")} UNION ${from("meta_sources", "source")}
    UNION ${onward("edges", "dependency")} UNION ${onward("meta_sources", "source")}) SELECT seq, by FROM needed`;
}

function keep(db: Database, because: string, neededBy: string, from: string): void {
  const { changes } = db.run(
    `INSERT OR IGNORE INTO temp.gc_kept (seq, rule, because, needed_by) SELECT g.seq, g.rule, ${because}, ${neededBy} FROM ${from}`,
  );
  if (changes > 0) db.run("DELETE FROM temp.gc_garbage WHERE seq IN (SELECT seq FROM temp.gc_kept)");
}

// What a plan tells, and a sweep takes ----------------------------------------------------------------------------

function garbageCount(db: Database): number {
  return (db.query("SELECT count(*) AS n FROM temp.gc_garbage").get() as { n: number }).n;
}

/** How many of what rules condemned were kept, and how many are left to go. Nobody counts a million rows that were counted when they were written. */
export function count(db: Database, condemned: Readonly<Counts>): { rule: Rule; going: number; kept: number }[] {
  const kept = new Map(db.query("SELECT rule, count(*) FROM temp.gc_kept GROUP BY rule").values() as [Rule, number][]);
  return Object.entries(condemned).map(([word, all]) => {
    const rule = word as Rule;
    return { rule, going: all - (kept.get(rule) ?? 0), kept: kept.get(rule) ?? 0 };
  });
}

export interface KeptRow {
  rule: Rule;
  seq: number;
  because: string | null;
  needed_by: number | null;
}

export function kept(db: Database, most: number): Iterable<KeptRow> {
  return db.query<KeptRow, [number]>("SELECT seq, rule, because, needed_by FROM temp.gc_kept ORDER BY seq LIMIT ?").iterate(most);
}

/** The next garbage to bury, those made last first: from which seq on; undefined where none is left. */
export function nextGarbage(db: Database, below: number, most: number): number | undefined {
  const { first } = db
    .query<{ first: number | null }, [number, number]>(
      "SELECT min(seq) AS first FROM (SELECT seq FROM temp.gc_garbage WHERE seq < ? ORDER BY seq DESC LIMIT ?)",
    )
    .get(below, most) as { first: number | null };
  return first ?? undefined;
}

export function isNone(db: Database): boolean {
  return db.query("SELECT 1 FROM temp.gc_garbage LIMIT 1").get() === null;
}

/** Runs of which something goes. */
export function runsOfGarbage(db: Database): number[] {
  const seqs = db.query("SELECT DISTINCT run FROM artifacts WHERE seq IN (SELECT seq FROM temp.gc_garbage) ORDER BY run").values();
  return (seqs as [number][]).map(([run]) => run);
}

/** They are buried, or they stay. */
export function settleGarbage(db: Database, artifacts: readonly number[]): void {
  db.query("DELETE FROM temp.gc_garbage WHERE seq IN (SELECT value FROM json_each(?))").run(JSON.stringify(artifacts));
}
