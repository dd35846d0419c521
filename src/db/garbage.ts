import type { Database } from "bun:sqlite";

/*
 * What gc asks of the database as a whole. It is answered with sets (temporary tables of this connection), since a query for each of a million
 * artifacts would take longer than anybody waits.
 *
 *   gc_candidates   artifacts that a rule condemns
 *   gc_garbage      those of them that nothing protects
 *   gc_leases       leases that protect what they hold
 *   gc_dead         blobs that nothing names once the garbage is gone
 */

export function openSets(db: Database, holding: readonly number[]): void {
  db.run("PRAGMA temp_store = MEMORY");
  for (const set of ["gc_candidates", "gc_garbage", "gc_leases", "gc_dead"]) {
    db.run(`CREATE TEMP TABLE IF NOT EXISTS ${set} (seq INTEGER PRIMARY KEY)`);
    db.run(`DELETE FROM temp.${set}`);
  }
  add(db, "gc_leases", holding);
}

export function add(db: Database, set: "gc_candidates" | "gc_garbage" | "gc_leases", seqs: Iterable<number>): void {
  const statement = db.query(`INSERT OR IGNORE INTO temp.${set} (seq) VALUES (?)`);
  for (const seq of seqs) statement.run(seq);
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
    .query<FactsRow, [number]>(`${columns} AND name IN (SELECT substr(key, 6) FROM series WHERE key >= 'name ' AND key < 'name!' AND last_version > ?) ORDER BY name DESC, version DESC`)
    .iterate(more);
}

/** Live ones without a name that were made before a time. */
export function unnamedBefore(db: Database, time: number): Iterable<FactsRow> {
  return db.query<FactsRow, [number]>("SELECT seq, name, version, state, created_at AS since FROM artifacts WHERE name IS NULL AND state = 'live' AND created_at < ?").iterate(time);
}

// What protects ---------------------------------------------------------------------------------------------------

/** Candidates that must stay, each with one reason. `unsynced` false: what was not delivered protects nothing. */
export function protectedCandidates(db: Database, unsynced: boolean): Map<number, string> {
  const found = new Map<number, string>();
  const ask = (sql: string): void => {
    for (const [seq, because] of db.query(sql).values() as [number, string][]) if (!found.has(seq)) found.set(seq, because);
  };
  const candidates = "(SELECT seq FROM temp.gc_candidates)";
  ask(`SELECT artifact, 'it is pinned' || ifnull(' (' || note || ')', '') FROM pins WHERE artifact IN ${candidates}`);
  ask(`SELECT artifact, 'an alias points at it (' || group_concat(alias, ', ') || ')' FROM aliases WHERE artifact IN ${candidates} GROUP BY artifact`);
  ask(`SELECT a.seq, 'its run is still going' FROM runs r JOIN artifacts a ON a.run = r.seq WHERE r.state = 'running' AND a.seq IN ${candidates}`);
  ask(`SELECT i.artifact, 'a run that is still going reads it' FROM runs r JOIN run_inputs i ON i.run = r.seq WHERE r.state = 'running' AND i.artifact IN ${candidates}`);
  ask(`SELECT a.seq, 'a live process uses it' FROM temp.gc_leases g JOIN lease_blobs l ON l.lease = g.seq JOIN artifacts a ON a.blob = l.blob WHERE a.seq IN ${candidates}`);
  ask(`SELECT a.seq, 'its bytes were imported and never read' FROM blobs b JOIN artifacts a ON a.blob = b.seq WHERE b.state = 'unverified' AND a.state <> 'removed' AND a.seq IN ${candidates}`);
  if (unsynced) ask(`SELECT o.artifact, 'not delivered to ' || d.target || ' yet' FROM ${OPEN_UPLOADS} AND o.artifact IN ${candidates}`);
  return found;
}

const OPEN_UPLOADS = "deliveries d JOIN outbox o ON o.delivery = d.seq WHERE d.state IN ('pending', 'refused') AND o.settled_at IS NULL AND o.step = 'artifact'";

/** Edges into candidates, from whatever is no tombstone; the newest artifact first. */
export function edgesIntoCandidates(db: Database): [artifact: number, dependency: number][] {
  const into = (table: string, column: string): string =>
    `SELECT e.artifact AS artifact, e.${column} AS dependency FROM temp.gc_candidates c JOIN ${table} e ON e.${column} = c.seq JOIN artifacts a ON a.seq = e.artifact WHERE a.state <> 'deleted'`;
  return db.query(`${into("edges", "dependency")} UNION ALL ${into("meta_sources", "source")} ORDER BY 1 DESC`).values() as [number, number][];
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

/** No artifact outside the garbage, no living tree and no lease names the blob `b.seq`. */
const DIES = `NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = b.seq AND k.seq NOT IN (SELECT seq FROM temp.gc_garbage))
  AND NOT EXISTS (SELECT 1 FROM tree_members m WHERE m.member = b.seq AND m.tree NOT IN (SELECT seq FROM temp.gc_dead))
  AND NOT EXISTS (SELECT 1 FROM lease_blobs l JOIN temp.gc_leases g ON g.seq = l.lease WHERE l.blob = b.seq)`;

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
  const insert = db.query("INSERT OR IGNORE INTO temp.gc_dead (seq) VALUES (?)");
  for (const seq of unnamed) insert.run(seq);
  db.run(`INSERT OR IGNORE INTO temp.gc_dead SELECT DISTINCT b.seq FROM temp.gc_garbage g JOIN artifacts a ON a.seq = g.seq JOIN blobs b ON b.seq = a.blob WHERE ${DIES}`);
  for (let found = 1; found > 0; )
    found = db.run(
      `INSERT OR IGNORE INTO temp.gc_dead SELECT DISTINCT b.seq FROM temp.gc_dead d JOIN tree_members t ON t.tree = d.seq JOIN blobs b ON b.seq = t.member
       WHERE b.seq NOT IN (SELECT seq FROM temp.gc_dead) AND ${DIES}`,
    ).changes;
}

/** Adds one artifact to the garbage and returns the bytes that die with it. */
export function addGarbage(db: Database, artifact: number): number {
  add(db, "gc_garbage", [artifact]);
  const blob = db.query<{ blob: number }, [number]>("SELECT blob FROM artifacts WHERE seq = ?").get(artifact)?.blob;
  return blob === undefined ? 0 : bury(db, blob);
}

function bury(db: Database, blob: number): number {
  const dies = db.query<{ size: number }, [number]>(`SELECT iif(place = 'foreign', 0, size) AS size FROM blobs b WHERE b.seq = ? AND b.seq NOT IN (SELECT seq FROM temp.gc_dead) AND ${DIES}`).get(blob);
  if (!dies) return 0;
  db.query("INSERT INTO temp.gc_dead (seq) VALUES (?)").run(blob);
  const members = db.query<{ member: number }, [number]>("SELECT member FROM tree_members WHERE tree = ?").all(blob);
  return dies.size + members.reduce((sum, { member }) => sum + bury(db, member), 0);
}

export interface Weight {
  /** Bytes that are free at once. */
  now: number;
  /** Bytes in a pack whose other members stay: free when it is repacked. */
  later: number;
}

/** Bytes of dead blobs by the only artifact that names them, directly or as a directory's file; under 0: what several garbage artifacts share, and what none names. */
export function weightByArtifact(db: Database): Map<number, Weight> {
  const rows = db
    .query(
      `WITH dying (pack) AS (SELECT b.pack FROM temp.gc_dead d JOIN blobs b ON b.seq = d.seq WHERE b.pack IS NOT NULL GROUP BY b.pack
         HAVING count(*) = (SELECT count(*) FROM blobs o WHERE o.pack = b.pack)),
       owned (artifact, size, later) AS (
         SELECT CASE (SELECT count(*) FROM artifacts a WHERE a.blob = d.seq)
             WHEN 1 THEN iif(EXISTS (SELECT 1 FROM tree_members t WHERE t.member = d.seq), 0, (SELECT a.seq FROM artifacts a WHERE a.blob = d.seq))
             WHEN 0 THEN (SELECT iif(count(*) = 1, (SELECT iif(count(*) = 1, max(a.seq), 0) FROM artifacts a WHERE a.blob = t.tree), 0) FROM tree_members t WHERE t.member = d.seq)
             ELSE 0 END,
           iif(b.place = 'foreign', 0, b.size), b.pack IS NOT NULL AND b.pack NOT IN (SELECT pack FROM dying)
         FROM temp.gc_dead d JOIN blobs b ON b.seq = d.seq)
       SELECT artifact, sum(iif(later, 0, size)), sum(iif(later, size, 0)) FROM owned GROUP BY artifact`,
    )
    .values() as [number, number, number][];
  return new Map(rows.map(([artifact, now, later]) => [artifact, { now, later }]));
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

/** `name@v3`, or `<run id>/<path>`. */
export function describeArtifact(db: Database, seq: number): { what: string; state: "live" | "removed" | "withdrawn"; named: boolean } {
  const row = db
    .query<{ what: string; state: "live" | "removed" | "withdrawn"; named: number }, [number]>(
      "SELECT iif(name IS NULL, id, name || '@v' || version) AS what, state, name IS NOT NULL AS named FROM artifacts WHERE seq = ?",
    )
    .get(seq);
  if (!row) throw new Error(`no artifact ${seq}`);
  return { ...row, named: row.named === 1 };
}

// Room ------------------------------------------------------------------------------------------------------------

export function deadBytes(db: Database): number {
  return (db.query("SELECT ifnull(sum(iif(b.place = 'foreign', 0, b.size)), 0) AS bytes FROM temp.gc_dead d JOIN blobs b ON b.seq = d.seq").get() as { bytes: number }).bytes;
}

/** Bytes of all blobs that the store itself keeps. */
export function storedBytes(db: Database): number {
  return (db.query("SELECT ifnull(sum(size), 0) AS bytes FROM blobs WHERE place <> 'foreign'").get() as { bytes: number }).bytes;
}

/**
 * Artifacts that may go for the sake of room: live, no garbage, and neither a root nor needed by one. In no order.
 * What is out of sight and can still be restored stays, with what it needs. `shared`: something that stays has the same bytes.
 */
export function spendable(db: Database, unsynced: boolean): { seq: number; used: number; shared: number }[] {
  db.run("CREATE TEMP TABLE IF NOT EXISTS gc_rooted (seq INTEGER PRIMARY KEY)");
  db.run("DELETE FROM temp.gc_rooted");
  db.run(
    `INSERT INTO temp.gc_rooted
     WITH RECURSIVE alive (seq) AS (
       SELECT seq FROM (SELECT seq, max(version) FROM artifacts WHERE name IS NOT NULL AND state = 'live' GROUP BY name)
       UNION SELECT artifact FROM pins
       UNION SELECT artifact FROM aliases
       UNION SELECT a.seq FROM runs r JOIN artifacts a ON a.run = r.seq WHERE r.state = 'running'
       UNION SELECT i.artifact FROM runs r JOIN run_inputs i ON i.run = r.seq WHERE r.state = 'running' AND i.artifact IS NOT NULL
       UNION SELECT a.seq FROM temp.gc_leases g JOIN lease_blobs l ON l.lease = g.seq JOIN artifacts a ON a.blob = l.blob
       UNION SELECT a.seq FROM blobs b JOIN artifacts a ON a.blob = b.seq WHERE b.state = 'unverified'
       ${unsynced ? `UNION SELECT o.artifact FROM ${OPEN_UPLOADS}` : ""}
       UNION SELECT seq FROM artifacts WHERE state IN ('withdrawn', 'removed') AND seq NOT IN (SELECT seq FROM temp.gc_garbage)
       UNION SELECT e.dependency FROM alive JOIN edges e ON e.artifact = alive.seq
       UNION SELECT m.source FROM alive JOIN meta_sources m ON m.artifact = alive.seq)
     SELECT seq FROM alive`,
  );
  return db
    .query<{ seq: number; used: number; shared: number }, []>(
      `SELECT a.seq, max(a.created_at, ifnull(u.last_used, 0)) AS used, EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = a.blob AND k.seq IN (SELECT seq FROM temp.gc_rooted)) AS shared
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
