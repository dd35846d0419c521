import type { Database } from "bun:sqlite";
import { DETAIL, insertAll } from "../garbage/garbage.ts";

// What becomes of blobs and packs once the garbage of `garbage.ts` is gone.

const HELD = "SELECT l.blob FROM temp.gc_leases h CROSS JOIN lease_blobs l ON l.lease = h.seq";

/** No artifact outside the garbage, no living tree and no lease names the blob. */
const dies = (
  blob: string,
): string => `NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = ${blob} AND k.seq NOT IN (SELECT seq FROM temp.gc_garbage))
  AND NOT EXISTS (SELECT 1 FROM tree_members m WHERE m.member = ${blob} AND m.tree NOT IN (SELECT seq FROM temp.gc_dead))
  AND ${blob} NOT IN (${HELD})`;

/**
 * Finds the blobs that no artifact, tree or lease names now, before anything is condemned: an interrupted sweep left them, or a lease that has ended. What
 * lies in directories among them is theirs too. Those of another dataset are left alone, and all of them where gc is stopped, or a list is lost.
 */
export function findUnnamed(db: Database, dataset: string | null): void {
  findDead(db);
  db.query(
    `INSERT INTO temp.gc_left SELECT d.seq FROM temp.gc_dead d CROSS JOIN blobs b ON b.seq = d.seq
     WHERE (?1 IS NOT NULL AND b.dataset <> ?1) OR EXISTS (SELECT 1 FROM temp.gc_stopped) OR ${LIST_IS_LOST}`,
  ).run(dataset);
  db.run("DELETE FROM temp.gc_dead WHERE seq IN (SELECT seq FROM temp.gc_left)");
  db.run("INSERT INTO temp.gc_unnamed SELECT seq FROM temp.gc_dead");
}

/** A directory lost its list, and a rebuild without it could not say what lies there: whatever nothing names may. */
const LIST_IS_LOST = `EXISTS (SELECT 1 FROM damage d CROSS JOIN artifacts a ON a.blob = d.blob
  WHERE a.kind = 'tree' AND a.files > 0 AND NOT EXISTS (SELECT 1 FROM tree_members m WHERE m.tree = d.blob))`;

/** Finds what dies with the garbage, unnamed blobs among it, and what lies in trees that die. */
export function findDead(db: Database): void {
  db.run("DELETE FROM temp.gc_dead");
  // a merge of sorted lists: a million blobs in a tenth of a second
  db.run(
    `INSERT INTO temp.gc_dead SELECT seq FROM blobs EXCEPT SELECT blob FROM artifacts WHERE blob IS NOT NULL AND seq NOT IN (SELECT seq FROM temp.gc_garbage)
     EXCEPT SELECT member FROM tree_members EXCEPT ${HELD}`,
  );
  // one tree after the other by its key: their members may be many millions
  const trees = `trees (tree) AS (SELECT min(tree) FROM tree_members UNION ALL
    SELECT (SELECT min(m.tree) FROM tree_members m WHERE m.tree > trees.tree) FROM trees WHERE trees.tree IS NOT NULL)`;
  for (let found = 1; found > 0;)
    found = db.run(
      `INSERT OR IGNORE INTO temp.gc_dead WITH RECURSIVE ${trees} SELECT t.member FROM trees d CROSS JOIN tree_members t ON t.tree = d.tree
       WHERE d.tree IN (SELECT seq FROM temp.gc_dead) AND t.member NOT IN (SELECT seq FROM temp.gc_dead) AND ${dies("t.member")}`,
    ).changes;
  db.run("DELETE FROM temp.gc_dead WHERE seq IN (SELECT seq FROM temp.gc_left)");
}

/** Blobs that die as well: nothing but garbage names them. */
export function addDead(db: Database, blobs: Float64Array): void {
  insertAll(db, "INSERT OR IGNORE INTO temp.gc_dead (seq) SELECT value FROM json_each(?)", blobs);
}

/** Adds one artifact to the garbage and returns the bytes that die with it. */
export function addGarbage(db: Database, artifact: number): number {
  db.query("INSERT OR IGNORE INTO temp.gc_garbage (seq, rule, detail) VALUES (?, 'size', 0)").run(artifact);
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

/** Bytes that die, at once or after repacking. */
export function deadBytes(db: Database): number {
  const sum = "SELECT ifnull(sum(b.size), 0) AS bytes FROM temp.gc_dead d CROSS JOIN blobs b ON b.seq = d.seq WHERE b.place <> 'foreign'";
  return (db.query(sum).get() as { bytes: number }).bytes;
}

/** A pack of which every member dies is free at once, with all their bytes; those of others when it is rewritten. Knows what `measurePacks` found. */
const DIES_NOW = "(b.place = 'file' OR (b.place = 'pack' AND b.pack IN (SELECT seq FROM temp.gc_packs WHERE members = 0)))";
const NOW = `iif(${DIES_NOW}, b.size, 0)`;
const LATER = `iif(b.place = 'foreign' OR ${DIES_NOW}, 0, b.size)`;

export interface DescribedGarbage {
  seq: number;
  rule: string;
  detail: number;
  id: string;
  name: string | null;
  version: number;
  state: "live" | "removed" | "withdrawn";
  /** Bytes that only this one names, itself or as a file in its directory: free at once, and after repacking. */
  now: number;
  later: number;
}

/** Garbage as people know it: of one rule, or of all; at most `most` of it. */
export function describeGarbage(db: Database, rule: string | null, most: number): Iterable<DescribedGarbage> {
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
    .query<DescribedGarbage, [string | null, number]>(
      `SELECT a.seq, g.rule, ${DETAIL} AS detail, a.id, a.name, a.version, a.state, ${bytes(NOW)} AS now, ${bytes(LATER)} AS later
       FROM temp.gc_garbage g CROSS JOIN artifacts a ON a.seq = g.seq CROSS JOIN blobs b ON b.seq = a.blob WHERE ?1 IS NULL OR g.rule = ?1 ORDER BY g.seq LIMIT ?2`,
    )
    .iterate(rule, most);
}

export interface UnnamedBlob {
  seq: number;
  state: string;
  digest: string;
  /** Of a file of its own; under the store's root. */
  path: string | null;
  now: number;
  later: number;
}

const DIGEST = "ifnull('blake3:' || lower(hex(b.blake3)), 'sha256:' || lower(hex(b.sha256)))";

/** Unnamed blobs that the plan takes. One in a pack that goes as a whole frees nothing by itself: the pack does. */
export function describeUnnamed(db: Database, most: number): Iterable<UnnamedBlob> {
  return db
    .query<UnnamedBlob, [number]>(
      `SELECT b.seq, b.state, ${DIGEST} AS digest, iif(b.place = 'file', b.path, NULL) AS path, iif(b.place = 'file', b.size, 0) AS now, ${LATER} AS later
       FROM temp.gc_unnamed u CROSS JOIN blobs b ON b.seq = u.seq ORDER BY u.seq LIMIT ?`,
    )
    .iterate(most);
}

export function unnamed(db: Database): number[] {
  return (db.query("SELECT seq FROM temp.gc_unnamed ORDER BY seq").values() as [number][]).map(([seq]) => seq);
}

export function countUnnamed(db: Database): number {
  return (db.query("SELECT count(*) AS n FROM temp.gc_unnamed").get() as { n: number }).n;
}

/** How people know some blobs, and their sizes. */
export function describeBlobs(db: Database, seqs: Iterable<number>): Map<number, { digest: string; size: number }> {
  const statement = db.query<{ digest: string; size: number }, [number]>(`SELECT ${DIGEST} AS digest, b.size FROM blobs b WHERE b.seq = ?`);
  const found = new Map<number, { digest: string; size: number }>();
  for (const seq of seqs) found.set(seq, statement.get(seq) ?? { digest: "", size: 0 });
  return found;
}
