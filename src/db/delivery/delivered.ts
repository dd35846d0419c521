import type { Database } from "bun:sqlite";

/** Where a server has an artifact, as far as it was told. */
export interface DeliveredAt {
  target: string;
  remote_run: string;
  artifact_uri: string;
}

/** The servers that were sent an artifact, and have not been sent another one at its path since. */
export function deliveredAt(db: Database, artifact: number): DeliveredAt[] {
  return db
    .query<DeliveredAt, [number]>(
      `SELECT d.target, d.remote_run, d.artifact_uri FROM outbox o JOIN deliveries d ON d.seq = o.delivery
       WHERE o.artifact = ? AND o.settled_at IS NOT NULL AND ifnull(o.how, '') <> 'superseded' AND d.remote_run IS NOT NULL AND d.artifact_uri IS NOT NULL`,
    )
    .all(artifact);
}
