import type { Database } from "bun:sqlite";

/**
 * seqs of ended runs of ours that nobody thought of telling this server about: the URI was set later. Oldest first. A run of `log` with nothing but files
 * that are held back is none of them.
 */
export function undelivered(db: Database, target: string): number[] {
  return db
    .query<{ seq: number }, [string]>(
      `SELECT seq FROM runs WHERE state <> 'running' AND kind <> 'import' AND removed_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.run = runs.seq AND target = ?)
       AND NOT (kind = 'log' AND EXISTS (SELECT 1 FROM artifacts a WHERE a.run = runs.seq)
         AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.run = runs.seq AND a.deliver = 1)
         AND NOT EXISTS (SELECT 1 FROM params WHERE params.run = runs.seq) AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.run = runs.seq)
         AND NOT EXISTS (SELECT 1 FROM metric_points m WHERE m.run = runs.seq))
       ORDER BY seq`,
    )
    .all(target)
    .map((row) => row.seq);
}

/**
 * seqs of runs that ended without a word to this server, although it was told of them while they went on: the URI was known to somebody else than their
 * wrapper.
 */
export function endUntold(db: Database, target: string): number[] {
  return db
    .query<{ run: number }, [string]>(
      `SELECT d.run FROM deliveries d JOIN runs r ON r.seq = d.run
       WHERE d.target = ? AND d.state IN ('pending', 'refused') AND r.state <> 'running' AND r.removed_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.delivery = d.seq AND step = 'end') ORDER BY d.run`,
    )
    .all(target)
    .map(({ run }) => run);
}

/** seqs of what was logged to a run, is to be delivered, and is not in its outbox yet. */
export function unheardLogged(db: Database, run: number, delivery: number): number[] {
  return db
    .query<{ seq: number }, [number, number]>(
      `SELECT seq FROM artifacts a WHERE run = ? AND role = 'logged' AND deliver = 1 AND state = 'live'
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.delivery = ? AND outbox.artifact = a.seq) ORDER BY seq`,
    )
    .all(run, delivery)
    .map(({ seq }) => seq);
}
