import type { Database } from "bun:sqlite";
import { LAST_USED } from "./garbage.ts";
import { NEWEST, protectedRows } from "./protection.ts";
import type { Keeper } from "./protection.ts";

/** Bytes of all blobs that the store itself keeps. */
export function storedBytes(db: Database): number {
  return (db.query("SELECT ifnull(sum(size), 0) AS bytes FROM blobs WHERE place <> 'foreign'").get() as { bytes: number }).bytes;
}

export interface SpendableRow {
  seq: number;
  used: number;
  blob: number;
  /** Of its blob. */
  size: number;
  /** A directory, or bytes that a directory has too. */
  entangled: 0 | 1;
}

/**
 * Artifacts that may go for the sake of room: live, no garbage, and neither a root nor needed by one. In the order of their seqs.
 * What is out of sight and can still be restored stays, with what it needs.
 */
export function spendable(db: Database, except: ReadonlySet<Keeper>): Iterable<SpendableRow> {
  db.run("DELETE FROM temp.gc_rooted");
  db.run(
    `INSERT INTO temp.gc_rooted
     WITH RECURSIVE alive (seq) AS (
       SELECT seq FROM (${NEWEST}) WHERE seq IS NOT NULL
       ${protectedRows(except)
         .map((rows) => `UNION SELECT artifact FROM (${rows})`)
         .join("\n")}
       UNION SELECT seq FROM artifacts WHERE state IN ('withdrawn', 'removed') AND seq NOT IN (SELECT seq FROM temp.gc_garbage)
       UNION SELECT e.dependency FROM alive CROSS JOIN edges e ON e.artifact = alive.seq
       UNION SELECT m.source FROM alive CROSS JOIN meta_sources m ON m.artifact = alive.seq)
     SELECT seq FROM alive`,
  );
  return db
    .query<SpendableRow, []>(
      `SELECT a.seq, ${LAST_USED} AS used, a.blob, iif(b.place = 'foreign', 0, b.size) AS size,
         a.kind = 'tree' OR a.blob IN (SELECT member FROM tree_members) AS entangled
       FROM artifacts a CROSS JOIN blobs b ON b.seq = a.blob
       WHERE a.state = 'live' AND a.seq NOT IN (SELECT seq FROM temp.gc_rooted) AND a.seq NOT IN (SELECT seq FROM temp.gc_garbage) ORDER BY a.seq`,
    )
    .iterate();
}

/** Blobs of those that stay even where room is wanted. After `spendable`. */
export function rootedBlobs(db: Database): Iterable<{ blob: number }> {
  return db
    .query<{ blob: number }, []>("SELECT a.blob FROM temp.gc_rooted r CROSS JOIN artifacts a ON a.seq = r.seq WHERE a.blob IS NOT NULL")
    .iterate();
}

/** No blob has a higher number. */
export function lastBlob(db: Database): number {
  return (db.query("SELECT ifnull(max(seq), 0) AS last FROM blobs").get() as { last: number }).last;
}

/** All there are: whose ends may go, the caller knows. */
export function allEdges(db: Database): Iterable<{ artifact: number; dependency: number }> {
  return db
    .query<{ artifact: number; dependency: number }, []>(
      "SELECT artifact, dependency FROM edges UNION ALL SELECT artifact, source FROM meta_sources",
    )
    .iterate();
}
