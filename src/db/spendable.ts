import type { Database } from "bun:sqlite";
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
  /** Something that stays has the same bytes. */
  shared: 0 | 1;
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
      `SELECT a.seq, max(a.created_at, ifnull(u.last_used, 0)) AS used, b.seq AS blob, iif(b.place = 'foreign', 0, b.size) AS size,
         b.seq IN (SELECT k.blob FROM temp.gc_rooted r CROSS JOIN artifacts k ON k.seq = r.seq WHERE k.blob IS NOT NULL) AS shared,
         a.kind = 'tree' OR EXISTS (SELECT 1 FROM tree_members t WHERE t.member = b.seq) AS entangled
       FROM artifacts a CROSS JOIN blobs b ON b.seq = a.blob LEFT JOIN blob_uses u ON u.blob = a.blob
       WHERE a.state = 'live' AND a.seq NOT IN (SELECT seq FROM temp.gc_rooted) AND a.seq NOT IN (SELECT seq FROM temp.gc_garbage) ORDER BY a.seq`,
    )
    .iterate();
}

/** Edges between artifacts that may go for the sake of room. */
export function spendableEdges(db: Database): Iterable<{ artifact: number; dependency: number }> {
  const stays = "NOT IN (SELECT seq FROM temp.gc_rooted)";
  return db
    .query<{ artifact: number; dependency: number }, []>(
      `SELECT artifact, dependency FROM edges WHERE artifact ${stays} AND artifact NOT IN (SELECT seq FROM temp.gc_garbage)
       UNION ALL SELECT artifact, source FROM meta_sources WHERE artifact ${stays} AND artifact NOT IN (SELECT seq FROM temp.gc_garbage)`,
    )
    .iterate();
}
