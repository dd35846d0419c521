import type { Database } from "bun:sqlite";

/*
 * What gc asks of the database as a whole. It is answered with sets (temporary tables of this connection), since a query for each of a million
 * artifacts would take longer than anybody waits. CROSS JOIN says which table is read first: the planner knows nothing about these sets, and would
 * rather read a million rows.
 *
 *   gc_garbage   artifacts that a rule condemns; those that something protects are taken out again
 *   gc_leases    leases that protect what they hold
 *   gc_dead      blobs that nothing names once the garbage is gone
 *   gc_rooted    artifacts that stay even where room is wanted
 */
const SETS = ["gc_garbage", "gc_leases", "gc_dead", "gc_rooted"] as const;

/** Makes them, empty but for the leases. Not inside a transaction. */
export function openSets(db: Database, holding: readonly number[]): void {
  db.run("PRAGMA temp_store = MEMORY");
  for (const set of SETS) {
    db.run(`CREATE TEMP TABLE IF NOT EXISTS ${set} (seq INTEGER PRIMARY KEY)`);
    db.run(`DELETE FROM temp.${set}`);
  }
  fill(db, "gc_leases", holding);
}

export function setGarbage(db: Database, artifacts: Iterable<number>): void {
  fill(db, "gc_garbage", artifacts);
}

export function spare(db: Database, artifacts: Iterable<number>): void {
  const statement = db.query("DELETE FROM temp.gc_garbage WHERE seq = ?");
  for (const seq of artifacts) statement.run(seq);
}

const FILLED_AT_ONCE = 100_000;

export function fill(db: Database, set: (typeof SETS)[number], seqs: Iterable<number>): void {
  const all = [...seqs];
  for (let at = 0; at < all.length; at += FILLED_AT_ONCE)
    db.query(`INSERT OR IGNORE INTO temp.${set} (seq) SELECT value FROM json_each(?)`).run(
      JSON.stringify(all.slice(at, at + FILLED_AT_ONCE)),
    );
}

// What rules look at ----------------------------------------------------------------------------------------------

export interface FactsRow {
  seq: number;
  name: string | null;
  version: number;
  state: "live" | "removed" | "withdrawn";
  since: number;
}

/** Removed ones, and withdrawn ones of runs that have ended. */
export function outOfSight(db: Database): Iterable<FactsRow> {
  return db
    .query<FactsRow, []>(
      `SELECT a.seq, a.name, a.version, a.state, CASE a.state WHEN 'removed' THEN a.state_at ELSE ifnull(r.ended_at, a.state_at) END AS since
       FROM artifacts a JOIN runs r ON r.seq = a.run WHERE a.state IN ('withdrawn', 'removed') AND (a.state = 'removed' OR r.state <> 'running')`,
    )
    .iterate();
}

/** Live versions of names, those of one name together: of all names, or only of those that were given more than `more` versions. */
export function namedVersions(db: Database, more?: number): Iterable<FactsRow> {
  const columns = "SELECT seq, name, version, state, created_at AS since FROM artifacts WHERE name IS NOT NULL AND state = 'live'";
  // the order of the index, read backwards
  if (more === undefined) return db.query<FactsRow, []>(`${columns} ORDER BY name DESC, version DESC`).iterate();
  return db
    .query<FactsRow, [number]>(
      `${columns} AND name IN (SELECT substr(key, 6) FROM series WHERE key >= 'name ' AND key < 'name!' AND last_version > ?) ORDER BY name DESC, version DESC`,
    )
    .iterate(more);
}

/** Live ones without a name that were made before a time. */
export function unnamedBefore(db: Database, time: number): Iterable<FactsRow> {
  return db
    .query<FactsRow, [number]>(
      "SELECT seq, name, version, state, created_at AS since FROM artifacts WHERE name IS NULL AND state = 'live' AND created_at < ?",
    )
    .iterate(time);
}

// What protects ---------------------------------------------------------------------------------------------------

/** Garbage that must stay, each with one reason. `unsynced` false: what was not delivered protects nothing. */
export function protectedGarbage(db: Database, unsynced: boolean): Map<number, string> {
  const found = new Map<number, string>();
  const ask = (sql: string): void => {
    for (const [seq, because] of db.query(sql).values() as [number, string][]) if (!found.has(seq)) found.set(seq, because);
  };
  const candidates = "(SELECT seq FROM temp.gc_garbage)";
  ask(`SELECT artifact, 'it is pinned' || ifnull(' (' || note || ')', '') FROM pins WHERE artifact IN ${candidates}`);
  ask(
    `SELECT artifact, 'an alias points at it (' || group_concat(alias, ', ') || ')' FROM aliases WHERE artifact IN ${candidates} GROUP BY artifact`,
  );
  ask(
    `SELECT a.seq, 'its run is still going' FROM runs r JOIN artifacts a ON a.run = r.seq WHERE r.state = 'running' AND a.seq IN ${candidates}`,
  );
  ask(
    `SELECT i.artifact, 'a run that is still going reads it' FROM runs r JOIN run_inputs i ON i.run = r.seq WHERE r.state = 'running' AND i.artifact IN ${candidates}`,
  );
  ask(
    `SELECT a.seq, 'a live process uses it' FROM temp.gc_leases g CROSS JOIN lease_blobs l ON l.lease = g.seq CROSS JOIN artifacts a ON a.blob = l.blob WHERE a.seq IN ${candidates}`,
  );
  ask(
    `SELECT a.seq, 'its bytes were imported and never read' FROM blobs b JOIN artifacts a ON a.blob = b.seq WHERE b.state = 'unverified' AND a.state <> 'removed' AND a.seq IN ${candidates}`,
  );
  if (unsynced) ask(`SELECT o.artifact, 'not delivered to ' || d.target || ' yet' FROM ${OPEN_UPLOADS} AND o.artifact IN ${candidates}`);
  return found;
}

/** Artifacts that a server was not sent: `o` of a delivery `d`; more conditions may follow. */
export const OPEN_UPLOADS =
  "deliveries d JOIN outbox o ON o.delivery = d.seq WHERE d.state IN ('pending', 'refused') AND o.settled_at IS NULL AND o.step = 'artifact'";

/** Garbage that something was made from that is none (and no tombstone), and the newest of those. */
export function neededGarbage(db: Database): Map<number, number> {
  const into = (table: string, column: string): string =>
    `SELECT e.${column} AS dependency, max(e.artifact) AS artifact FROM temp.gc_garbage g CROSS JOIN ${table} e ON e.${column} = g.seq
     WHERE e.artifact NOT IN (SELECT seq FROM temp.gc_garbage) AND e.artifact NOT IN (SELECT seq FROM artifacts WHERE state = 'deleted') GROUP BY e.${column}`;
  return new Map(db.query(`${into("edges", "dependency")} UNION ALL ${into("meta_sources", "source")}`).values() as [number, number][]);
}

/** What an artifact was made from; a meta-model's sources too. */
export function dependenciesOf(db: Database, artifact: number): number[] {
  return (
    db
      .query("SELECT dependency FROM edges WHERE artifact = ?1 UNION SELECT source FROM meta_sources WHERE artifact = ?1")
      .values(artifact) as [number][]
  ).map(([seq]) => seq);
}

/** Deliveries that still have garbage to send. */
export function unsyncedGarbage(db: Database): { seq: number; run: number; target: string; artifacts: number }[] {
  return db
    .query<{ seq: number; run: number; target: string; artifacts: number }, []>(
      `SELECT d.seq, d.run, d.target, count(*) AS artifacts FROM ${OPEN_UPLOADS} AND o.artifact IN (SELECT seq FROM temp.gc_garbage) GROUP BY d.seq`,
    )
    .all();
}
