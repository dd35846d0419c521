import type { Database } from "bun:sqlite";

/** Deliveries that still have garbage to send. */
export function unsyncedGarbage(db: Database): { seq: number; run: number; target: string; artifacts: number }[] {
  return db
    .query<{ seq: number; run: number; target: string; artifacts: number }, []>(
      `SELECT d.seq, d.run, d.target, count(*) AS artifacts FROM deliveries d JOIN outbox o ON o.delivery = d.seq
       WHERE d.state IN ('pending', 'refused') AND o.settled_at IS NULL AND o.step = 'artifact' AND o.artifact IN (SELECT seq FROM temp.gc_garbage) GROUP BY d.seq`,
    )
    .all();
}
