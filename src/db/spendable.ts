import type { Database } from "bun:sqlite";
import { OPEN_UPLOADS } from "./garbage.ts";

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
