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

function fill(db: Database, set: (typeof SETS)[number], seqs: Iterable<number>): void {
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

const OPEN_UPLOADS =
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

// What becomes of blobs -------------------------------------------------------------------------------------------

/** No artifact outside the garbage, no living tree and no lease names the blob. */
const dies = (
  blob: string,
): string => `NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = ${blob} AND k.seq NOT IN (SELECT seq FROM temp.gc_garbage))
  AND NOT EXISTS (SELECT 1 FROM tree_members m WHERE m.member = ${blob} AND m.tree NOT IN (SELECT seq FROM temp.gc_dead))
  AND ${blob} NOT IN (SELECT l.blob FROM temp.gc_leases h CROSS JOIN lease_blobs l ON l.lease = h.seq)`;

/** Blobs that no artifact, tree or lease names now: an interrupted sweep left them, or a lease that has ended. */
export function unnamedBlobs(db: Database): number[] {
  return (
    db
      .query(
        // a merge of three sorted lists: half a million blobs in 50 ms
        `SELECT seq FROM blobs EXCEPT SELECT blob FROM artifacts WHERE blob IS NOT NULL EXCEPT SELECT member FROM tree_members
         EXCEPT SELECT blob FROM lease_blobs JOIN temp.gc_leases g ON g.seq = lease ORDER BY 1`,
      )
      .values() as [number][]
  ).map(([seq]) => seq);
}

/** Finds what dies with the garbage, `unnamed` blobs among it, and what lies in trees that die. */
export function findDead(db: Database, unnamed: Iterable<number>): void {
  fill(db, "gc_dead", unnamed);
  db.run(
    `INSERT OR IGNORE INTO temp.gc_dead SELECT a.blob FROM temp.gc_garbage g CROSS JOIN artifacts a ON a.seq = g.seq WHERE a.blob IS NOT NULL AND ${dies("a.blob")}`,
  );
  for (let found = 1; found > 0;)
    found = db.run(
      `INSERT OR IGNORE INTO temp.gc_dead SELECT t.member FROM temp.gc_dead d CROSS JOIN tree_members t ON t.tree = d.seq
       WHERE t.member NOT IN (SELECT seq FROM temp.gc_dead) AND ${dies("t.member")}`,
    ).changes;
}

/** Adds one artifact to the garbage and returns the bytes that die with it. */
export function addGarbage(db: Database, artifact: number): number {
  db.query("INSERT OR IGNORE INTO temp.gc_garbage (seq) VALUES (?)").run(artifact);
  const blob = db.query<{ blob: number }, [number]>("SELECT blob FROM artifacts WHERE seq = ?").get(artifact)?.blob;
  return blob === undefined ? 0 : bury(db, blob);
}

function bury(db: Database, blob: number): number {
  const dying = db
    .query<{ size: number }, [number]>(
      `SELECT iif(place = 'foreign', 0, size) AS size FROM blobs b WHERE b.seq = ? AND b.seq NOT IN (SELECT seq FROM temp.gc_dead) AND ${dies("b.seq")}`,
    )
    .get(blob);
  if (!dying) return 0;
  db.query("INSERT INTO temp.gc_dead (seq) VALUES (?)").run(blob);
  const members = db.query<{ member: number }, [number]>("SELECT member FROM tree_members WHERE tree = ?").all(blob);
  return dying.size + members.reduce((sum, { member }) => sum + bury(db, member), 0);
}

/** Packs of which every member dies: their bytes are free at once, those of others when the pack is rewritten. */
const DYING_PACKS = `dying (pack) AS (SELECT b.pack FROM temp.gc_dead d CROSS JOIN blobs b ON b.seq = d.seq WHERE b.pack IS NOT NULL GROUP BY b.pack
  HAVING count(*) = (SELECT count(*) FROM blobs o WHERE o.pack = b.pack))`;
const NOW = "iif(b.place = 'file' OR (b.place = 'pack' AND b.pack IN dying), b.size, 0)";
const LATER = "iif(b.place = 'pack' AND b.pack NOT IN dying, b.size, 0)";

/** Bytes that die, at once and after repacking. */
export function deadBytes(db: Database): { now: number; later: number } {
  return db
    .query(
      `WITH ${DYING_PACKS} SELECT ifnull(sum(${NOW}), 0) AS now, ifnull(sum(${LATER}), 0) AS later FROM temp.gc_dead d CROSS JOIN blobs b ON b.seq = d.seq`,
    )
    .get() as { now: number; later: number };
}

export interface DescribedGarbage {
  seq: number;
  /** `name@v3`, or `<run id>/<path>`. */
  what: string;
  state: "live" | "removed" | "withdrawn";
  named: 0 | 1;
  /** Bytes that only this one names, itself or as a file in its directory: free at once, and after repacking. */
  now: number;
  later: number;
}

const WHAT = "iif(a.name IS NULL, a.id, a.name || '@v' || a.version)";

export function describeGarbage(db: Database): Iterable<DescribedGarbage> {
  // a directory's files: only this directory has them, and nobody logged one by itself
  const inside = (
    bytes: string,
  ): string => `iif(a.kind = 'tree', ifnull((SELECT sum(${bytes}) FROM tree_members t JOIN temp.gc_dead d ON d.seq = t.member JOIN blobs b ON b.seq = t.member
    WHERE t.tree = a.blob AND NOT EXISTS (SELECT 1 FROM tree_members o WHERE o.member = t.member AND o.tree <> t.tree) AND NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = t.member)), 0), 0)`;
  const bytes = (
    kind: string,
  ): string => `iif(b.seq IN (SELECT seq FROM temp.gc_dead) AND NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = b.seq AND k.seq <> a.seq)
    AND NOT EXISTS (SELECT 1 FROM tree_members t WHERE t.member = b.seq), ${kind} + ${inside(kind)}, 0)`;
  return db
    .query<DescribedGarbage, []>(
      `WITH ${DYING_PACKS} SELECT a.seq, ${WHAT} AS what, a.state, a.name IS NOT NULL AS named, ${bytes(NOW)} AS now, ${bytes(LATER)} AS later
       FROM temp.gc_garbage g CROSS JOIN artifacts a ON a.seq = g.seq CROSS JOIN blobs b ON b.seq = a.blob`,
    )
    .iterate();
}

/** `name@v3`, or `<run id>/<path>`. */
export function describeArtifact(db: Database, seq: number): string {
  const row = db.query<{ what: string }, [number]>(`SELECT ${WHAT} AS what FROM artifacts a WHERE a.seq = ?`).get(seq);
  if (!row) throw new Error(`no artifact ${seq}`);
  return row.what;
}

/** What a tar file of the members `b` takes, but for its end. */
const FOOTPRINT = "ifnull(sum(512 + (b.size + 511) / 512 * 512), 0)";

export interface HollowPack {
  seq: number;
  path: string;
  size: number;
  /** How many members stay, how many die now, and the bytes of a pack of those that stay. */
  members: number;
  dying: number;
  live: number;
}

/** Packs that are more than half dead once the garbage is gone; with no member left, or to be rewritten. */
export function hollowPacks(db: Database): HollowPack[] {
  return db
    .query<HollowPack, []>(
      `SELECT p.seq, p.path, p.size, count(b.seq) AS members, ${FOOTPRINT} AS live, (SELECT count(*) FROM blobs d WHERE d.pack = p.seq) - count(b.seq) AS dying
       FROM packs p LEFT JOIN blobs b ON b.pack = p.seq AND b.seq NOT IN (SELECT seq FROM temp.gc_dead)
       GROUP BY p.seq HAVING count(b.seq) = 0 OR 2 * ${FOOTPRINT} < p.size`,
    )
    .all();
}

export interface BlobName {
  seq: number;
  state: string;
  digest: string;
  size: number;
  place: "file" | "pack" | "foreign";
  path: string | null;
}

/** How people know some blobs. */
export function describeBlobs(db: Database, seqs: Iterable<number>): BlobName[] {
  const statement = db.query<BlobName, [number]>(
    "SELECT seq, state, ifnull('blake3:' || lower(hex(blake3)), 'sha256:' || lower(hex(sha256))) AS digest, size, place, path FROM blobs WHERE seq = ?",
  );
  return [...seqs].map((seq) => statement.get(seq)).filter((row) => row !== null);
}

// Room ------------------------------------------------------------------------------------------------------------

/** Bytes of all blobs that the store itself keeps. */
export function storedBytes(db: Database): number {
  return (db.query("SELECT ifnull(sum(size), 0) AS bytes FROM blobs WHERE place <> 'foreign'").get() as { bytes: number }).bytes;
}

/**
 * Artifacts that may go for the sake of room: live, no garbage, and neither a root nor needed by one. In no order.
 * What is out of sight and can still be restored stays, with what it needs. `shared`: something that stays has the same bytes.
 */
export function spendable(db: Database, unsynced: boolean): { seq: number; used: number; shared: number }[] {
  db.run("DELETE FROM temp.gc_rooted");
  db.run(
    `INSERT INTO temp.gc_rooted
     WITH RECURSIVE alive (seq) AS (
       SELECT seq FROM (SELECT seq, max(version) FROM artifacts WHERE name IS NOT NULL AND state = 'live' GROUP BY name)
       UNION SELECT artifact FROM pins
       UNION SELECT artifact FROM aliases
       UNION SELECT a.seq FROM runs r JOIN artifacts a ON a.run = r.seq WHERE r.state = 'running'
       UNION SELECT i.artifact FROM runs r JOIN run_inputs i ON i.run = r.seq WHERE r.state = 'running' AND i.artifact IS NOT NULL
       UNION SELECT a.seq FROM temp.gc_leases g CROSS JOIN lease_blobs l ON l.lease = g.seq CROSS JOIN artifacts a ON a.blob = l.blob
       UNION SELECT a.seq FROM blobs b JOIN artifacts a ON a.blob = b.seq WHERE b.state = 'unverified'
       ${unsynced ? `UNION SELECT o.artifact FROM ${OPEN_UPLOADS}` : ""}
       UNION SELECT seq FROM artifacts WHERE state IN ('withdrawn', 'removed') AND seq NOT IN (SELECT seq FROM temp.gc_garbage)
       UNION SELECT e.dependency FROM alive JOIN edges e ON e.artifact = alive.seq
       UNION SELECT m.source FROM alive JOIN meta_sources m ON m.artifact = alive.seq)
     SELECT seq FROM alive`,
  );
  return db
    .query<{ seq: number; used: number; shared: number }, []>(
      // the plus keeps the planner from asking of every rooted artifact whether it has this blob
      `SELECT a.seq, max(a.created_at, ifnull(u.last_used, 0)) AS used, EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = a.blob AND +k.seq IN (SELECT seq FROM temp.gc_rooted)) AS shared
       FROM artifacts a LEFT JOIN blob_uses u ON u.blob = a.blob
       WHERE a.state = 'live' AND a.seq NOT IN (SELECT seq FROM temp.gc_rooted) AND a.seq NOT IN (SELECT seq FROM temp.gc_garbage)`,
    )
    .all();
}

/** Edges between artifacts that may go for the sake of room. */
export function spendableEdges(db: Database): [artifact: number, dependency: number][] {
  return db
    .query(
      `SELECT artifact, dependency FROM edges WHERE artifact NOT IN (SELECT seq FROM temp.gc_rooted)
       UNION SELECT artifact, source FROM meta_sources WHERE artifact NOT IN (SELECT seq FROM temp.gc_rooted)`,
    )
    .values() as [number, number][];
}
