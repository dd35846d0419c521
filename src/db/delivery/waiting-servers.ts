import type { Database } from "bun:sqlite";

/** A server that something waits for. */
export interface WaitingServer {
  target: string;
  runs: number;
  /** Artifacts of them that it was not sent. */
  artifacts: number;
}

/** In alphabetical order. */
export function waitingServers(db: Database): WaitingServer[] {
  return db
    .query<WaitingServer, []>(
      `SELECT d.target, count(DISTINCT d.run) AS runs, count(o.artifact) AS artifacts
       FROM deliveries d LEFT JOIN outbox o ON o.delivery = d.seq AND o.step = 'artifact' AND o.settled_at IS NULL
       WHERE d.state IN ('pending', 'refused') GROUP BY d.target ORDER BY d.target`,
    )
    .all();
}

/** Whether it ever took anything of ours. */
export function hasTaken(db: Database, target: string): boolean {
  return (
    db
      .query(
        `SELECT 1 FROM deliveries d WHERE target = ?
         AND (remote_run IS NOT NULL OR EXISTS (SELECT 1 FROM outbox o WHERE o.delivery = d.seq AND o.settled_at IS NOT NULL)) LIMIT 1`,
      )
      .get(target) !== null
  );
}

/** Experiments of a server that runs were sent to, or wait for; in alphabetical order. */
export function knownExperiments(db: Database, target: string): string[] {
  const rows = db.query("SELECT DISTINCT experiment FROM deliveries WHERE target = ? ORDER BY 1").values(target) as [string][];
  return rows.map(([experiment]) => experiment);
}
