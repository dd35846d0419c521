import type { Database } from "bun:sqlite";
import { revive } from "../bytes/blobs.ts";
import type { BlobState } from "../bytes/blobs.ts";
import { blobWords } from "../bytes/digest-words.ts";
import { DETAIL } from "./rule.ts";
import type { Rule } from "./rule.ts";

/*
 * What the sweep asks and changes inside its write transactions, a batch of rows in each statement. A blob goes live → condemned → trashed → no row; until it is
 * trashed an ingest may revive it.
 */

/**
 * For many rows in places all over the database: pages are kept longer, and moved into it less often, so that one that many batches write to is moved once. The log takes
 * up to 128 MiB for that where there is `room`, else 32. Until the connection ends.
 */
export function expectMuch(db: Database, { room }: { room: boolean }): void {
  db.run("PRAGMA cache_size = -40960"); // KiB
  db.run(`PRAGMA wal_autocheckpoint = ${room ? 32_768 : 8192}`); // pages
}

export interface Suspect {
  seq: number;
  rule: Rule;
  detail: number;
  uid: string;
  id: string;
  name: string | null;
  version: number;
  run: number;
  state: "live" | "removed" | "withdrawn" | "deleted";
  state_at: number;
  blob: number | null;
  digest: string;
  size: number;
  /** Whether newer versions of its name still condemn it. */
  outdone: 0 | 1;
}

/** Garbage from a seq up to, and without, another. */
export interface Span {
  from: number;
  below: number;
}

const IN_SPAN = "g.seq >= ?1 AND g.seq < ?2";

/**
 * How condemned artifacts stand now, those made last first. `newer`: how many newer versions of their names there must be by each rule: one that is live, the others live
 * or deleted since `planned`, when they were counted; more than one by the rule of versions alone. What is live the index knows: each row of a newer version would be a page of its own.
 */
export function suspects(db: Database, { from, below }: Span, newer: Readonly<Record<Rule, number>>, planned: number): Suspect[] {
  const live = "EXISTS (SELECT 1 FROM artifacts s INDEXED BY artifacts_in_sight WHERE s.seq = n.seq AND s.state = 'live')";
  const newerOnes = "SELECT 1 FROM artifacts n WHERE n.name = a.name AND n.version > a.version AND";
  const since = "EXISTS (SELECT 1 FROM artifacts d WHERE d.seq = n.seq AND d.state = 'deleted' AND d.state_at >= ?4)";
  return db
    .query<Suspect, [number, number, string, number]>(
      `SELECT a.seq, g.rule, ${DETAIL} AS detail, a.uid, a.id, a.name, a.version, a.run, a.state, a.state_at, a.blob, a.digest, a.size,
         ?3 ->> g.rule = 0 OR a.name IS NULL OR (EXISTS (${newerOnes} ${live})
           AND (?3 ->> g.rule = 1 OR (${newerOnes} (${live} OR ${since}) LIMIT 1 OFFSET max(0, ?3 ->> 'versions' - 1)) IS NOT NULL)) AS outdone
       FROM temp.gc_garbage g CROSS JOIN artifacts a ON a.seq = g.seq WHERE ${IN_SPAN} ORDER BY g.seq DESC`,
    )
    .all(from, below, JSON.stringify(newer), planned);
}

/** From here on every lease protects what it holds: those of dead processes were freed before the sweep. */
export function respectAllLeases(db: Database): void {
  db.run("DELETE FROM temp.gc_leases");
  db.run("INSERT INTO temp.gc_leases SELECT seq FROM leases");
}

/** Artifacts that are no tombstones and were made from this one. */
export function dependents(db: Database, artifact: number): number[] {
  return db
    .query<{ seq: number }, [number]>(
      `SELECT d.seq FROM edges e JOIN artifacts d ON d.seq = e.artifact WHERE e.dependency = ?1 AND d.state <> 'deleted'
       UNION SELECT d.seq FROM meta_sources m JOIN artifacts d ON d.seq = m.artifact WHERE m.source = ?1 AND d.state <> 'deleted'`,
    )
    .all(artifact)
    .map((row) => row.seq);
}

/** The same of garbage, and whether each of them is garbage too. */
export function dependentsAmong(db: Database, { from, below }: Span): { of: number; seq: number; isGarbage: 0 | 1 }[] {
  const made = (table: string, source: string): string =>
    `SELECT g.seq AS of, d.seq, d.seq IN (SELECT seq FROM temp.gc_garbage) AS isGarbage
     FROM temp.gc_garbage g CROSS JOIN ${table} e ON e.${source} = g.seq CROSS JOIN artifacts d ON d.seq = e.artifact WHERE ${IN_SPAN} AND d.state <> 'deleted'`;
  return db
    .query<{ of: number; seq: number; isGarbage: 0 | 1 }, [number, number]>(
      `${made("edges", "dependency")} UNION ${made("meta_sources", "source")}`,
    )
    .all(from, below);
}

const UNNAMED = `NOT EXISTS (SELECT 1 FROM artifacts WHERE blob = blobs.seq) AND NOT EXISTS (SELECT 1 FROM tree_members WHERE member = blobs.seq)
  AND NOT EXISTS (SELECT 1 FROM lease_blobs WHERE blob = blobs.seq)`;
const GIVEN = "seq IN (SELECT value FROM json_each(?1))";

/** Condemns those of some blobs that nothing names any more. Returns which are condemned or trashed now. */
export function condemnBlobs(db: Database, blobs: readonly number[], at: number): number[] {
  const given = JSON.stringify(blobs);
  db.query(`UPDATE blobs SET state = 'condemned', condemned_at = ?2 WHERE ${GIVEN} AND state IN ('live', 'unverified') AND ${UNNAMED}`).run(
    given,
    at,
  );
  return (db.query(`SELECT seq FROM blobs WHERE ${GIVEN} AND state IN ('condemned', 'trashed')`).values(given) as [number][]).map(
    ([seq]) => seq,
  );
}

/** The second look: from here on nobody reads their bytes, and an ingest writes them anew. A condemned one that is named again is revived. */
export function trash(db: Database, blobs: readonly number[]): void {
  const given = JSON.stringify(blobs);
  db.query(`UPDATE blobs SET state = 'trashed' WHERE ${GIVEN} AND state = 'condemned' AND ${UNNAMED}`).run(given);
  for (const [blob] of db.query(`SELECT seq FROM blobs WHERE ${GIVEN} AND state = 'condemned'`).values(given) as [number][])
    revive(db, blob);
}

export interface GoingBlob {
  seq: number;
  state: BlobState;
  size: number;
  /** Of its own file. */
  path: string | null;
  /** How people know it: `path (digest)`, or its digest where it has no file of its own. */
  what: string;
  condemned_at: number | null;
}

/** Some blobs as they are now, but for those that are gone. */
export function goingBlobs(db: Database, blobs: readonly number[]): GoingBlob[] {
  return db
    .query<GoingBlob, [string]>(
      `SELECT seq, state, size, iif(place = 'file', path, NULL) AS path, ${blobWords("blobs")} AS what, condemned_at
       FROM blobs WHERE ${GIVEN}`,
    )
    .all(JSON.stringify(blobs));
}

/** How many files the directories list that are among some blobs, those that list none left out. */
export function memberCounts(db: Database, blobs: readonly number[]): Map<number, number> {
  const counts = db.query("SELECT tree, count(*) FROM tree_members WHERE tree IN (SELECT value FROM json_each(?)) GROUP BY tree");
  return new Map(counts.values(JSON.stringify(blobs)) as [number, number][]);
}

/**
 * Takes the rows of trashed blobs away. Members of the directories that they listed are condemned where nothing names them any more; `takeNext` has those. They stay in the
 * database: a few directories have millions, many of them the same.
 */
export function forgetBlobs(db: Database, blobs: readonly number[], at: number): void {
  const given = JSON.stringify(blobs);
  db.run("DELETE FROM temp.gc_members");
  const members = "tree_members WHERE tree IN (SELECT value FROM json_each(?1))";
  db.query(`INSERT OR IGNORE INTO temp.gc_members SELECT member FROM ${members}`).run(given);
  db.query(`DELETE FROM ${members}`).run(given);
  db.query(`DELETE FROM blobs WHERE ${GIVEN} AND state = 'trashed'`).run(given);
  // the pluses: else SQLite may go through all that is condemned already
  db.query(
    `UPDATE blobs SET state = 'condemned', condemned_at = ? WHERE seq IN (SELECT seq FROM temp.gc_members) AND +state IN ('live', 'unverified') AND ${UNNAMED}`,
  ).run(at);
  db.run(
    `INSERT OR IGNORE INTO temp.gc_next SELECT seq FROM blobs WHERE seq IN (SELECT seq FROM temp.gc_members) AND +state IN ('condemned', 'trashed')`,
  );
}

/** Blobs that are condemned since the last call, in the order of their seqs. */
export function takeNext(db: Database): number[] {
  const next: number[] = [];
  const read = db.query("SELECT seq FROM temp.gc_next WHERE seq > ? ORDER BY seq LIMIT 10000");
  for (let last = 0; ;) {
    const rows = read.values(last) as [number][];
    for (const [seq] of rows) next.push(seq);
    if (rows.length === 0) break;
    last = next.at(-1) as number;
  }
  db.run("DELETE FROM temp.gc_next");
  return next;
}

/** Takes the cache entries of some blobs out of the index, but for those that a reader holds. Returns their paths under the cache. */
export function forgetCacheEntries(db: Database, blobs: readonly number[]): { path: string; size: number }[] {
  return db
    .query<{ path: string; size: number }, [string]>(
      "DELETE FROM cache_entries WHERE blob IN (SELECT value FROM json_each(?)) AND path NOT IN (SELECT cache_path FROM lease_entries) RETURNING path, size",
    )
    .all(JSON.stringify(blobs));
}

/** Whether any row names a path below the store's root. */
export function isNamed(db: Database, path: string): boolean {
  return db.query("SELECT 1 FROM blobs WHERE path = ?1 UNION ALL SELECT 1 FROM packs WHERE path = ?1").get(path) !== null;
}

/** Takes the row of a pack away that has no member. Null where it has one, or is gone already. */
export function forgetPack(db: Database, pack: number): { path: string; size: number } | null {
  return db
    .query<{ path: string; size: number }, [number]>(
      "DELETE FROM packs WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM blobs WHERE pack = ?1) RETURNING path, size",
    )
    .get(pack);
}
