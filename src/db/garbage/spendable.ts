import type { Database } from "bun:sqlite";
import { NEWEST, protectedRows } from "./protection.ts";
import type { Keeper } from "./protection.ts";

/** Bytes of all blobs that the store itself keeps. */
export function storedBytes(db: Database): number {
  return (db.query("SELECT ifnull(sum(size), 0) AS bytes FROM blobs WHERE place <> 'foreign'").get() as { bytes: number }).bytes;
}

/**
 * Finds what stays even where room is wanted: the newest of each name, what is protected, what is out of sight and can still be restored; and what these
 * were made from. Each with its blob; a tombstone has none.
 */
export function rooted(db: Database, except: ReadonlySet<Keeper>): Iterable<{ seq: number; blob: number | null }> {
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
    .query<{ seq: number; blob: number | null }, []>("SELECT a.seq, a.blob FROM temp.gc_rooted r CROSS JOIN artifacts a ON a.seq = r.seq")
    .iterate();
}

export interface LiveRow {
  seq: number;
  blob: number;
  created_at: number;
  /** A number, since a string for each of a million rows takes longer than the row. */
  isTree: 0 | 1;
}

/** Those in sight that are no garbage, in the order of their seqs. */
export function live(db: Database): Iterable<LiveRow> {
  return db
    .query<LiveRow, []>(
      "SELECT seq, blob, created_at, kind = 'tree' AS isTree FROM artifacts WHERE state = 'live' AND seq NOT IN (SELECT seq FROM temp.gc_garbage) ORDER BY seq",
    )
    .iterate();
}

/** Of all that the store itself keeps. */
export function blobSizes(db: Database): Iterable<{ seq: number; size: number }> {
  return db.query<{ seq: number; size: number }, []>("SELECT seq, size FROM blobs WHERE place <> 'foreign'").iterate();
}

export function lastUses(db: Database): Iterable<{ blob: number; last_used: number }> {
  return db.query<{ blob: number; last_used: number }, []>("SELECT blob, last_used FROM blob_uses").iterate();
}

/** Blobs that artifacts name and directories have too. The plus keeps SQLite from going through all that lies in directories. */
export function sharedWithTrees(db: Database): Iterable<{ blob: number }> {
  return db
    .query<{ blob: number }, []>("SELECT blob FROM artifacts WHERE blob IS NOT NULL AND +blob IN (SELECT member FROM tree_members)")
    .iterate();
}

/** No row has a higher number. */
export function lastSeq(db: Database, table: "artifacts" | "blobs"): number {
  return (db.query(`SELECT ifnull(max(seq), 0) AS last FROM ${table}`).get() as { last: number }).last;
}

/** All there are: whose ends may go, the caller knows. */
export function allEdges(db: Database): Iterable<{ artifact: number; dependency: number }> {
  return db
    .query<{ artifact: number; dependency: number }, []>(
      "SELECT artifact, dependency FROM edges UNION ALL SELECT artifact, source FROM meta_sources",
    )
    .iterate();
}
