import type { Database } from "bun:sqlite";

/** Uploads of artifacts to one tracking server. */
export interface UploadFigures {
  /** Artifacts that are there. */
  done: number;
  /** Artifacts whose last try failed. */
  failed: number;
  /** Artifacts that nobody has tried to send. */
  waiting: number;
  /** Tries that failed, also of what is there by now. */
  failures: number;
  /** Requests that were sent again, whatever they were about. */
  retried: number;
  /** Files of the artifacts that are there, and their bytes. */
  files: number;
  bytes: number;
}

export interface ServerFigures extends UploadFigures {
  target: string;
  runs: { synced: number; pending: number; refused: number; forgotten: number };
  /** Of the run that was tried last, among those that are not synced. */
  last_error: string | null;
}

interface RunCounts {
  target: string;
  retried: number;
  synced: number;
  pending: number;
  refused: number;
  forgotten: number;
  last_error: string | null;
}

/** By server, in alphabetical order. Nothing waits in a delivery that was forgotten. */
export function uploadFigures(db: Database): ServerFigures[] {
  const counts = db
    .query<RunCounts, []>(
      `SELECT target, sum(retried) AS retried, count(*) FILTER (WHERE state = 'synced') AS synced, count(*) FILTER (WHERE state = 'pending') AS pending,
              count(*) FILTER (WHERE state = 'refused') AS refused, count(*) FILTER (WHERE state = 'forgotten') AS forgotten,
              (SELECT last_error FROM deliveries e WHERE e.target = d.target AND e.state IN ('pending', 'refused') AND last_error IS NOT NULL
               ORDER BY updated_at DESC LIMIT 1) AS last_error
       FROM deliveries d GROUP BY target ORDER BY target`,
    )
    .all();
  const uploads = new Map(
    db
      .query<{ target: string } & Omit<UploadFigures, "retried">, []>(
        `SELECT d.target, count(o.settled_at) FILTER (WHERE o.how IS NOT 'superseded') AS done,
                count(*) FILTER (WHERE o.settled_at IS NULL AND d.state <> 'forgotten' AND o.error IS NOT NULL) AS failed,
                count(*) FILTER (WHERE o.settled_at IS NULL AND d.state <> 'forgotten' AND o.error IS NULL) AS waiting, sum(o.failures) AS failures,
                ifnull(sum(a.files) FILTER (WHERE o.bytes IS NOT NULL AND o.settled_at IS NOT NULL), 0) AS files,
                ifnull(sum(o.bytes) FILTER (WHERE o.settled_at IS NOT NULL), 0) AS bytes
         FROM outbox o JOIN deliveries d ON d.seq = o.delivery JOIN artifacts a ON a.seq = o.artifact WHERE o.step = 'artifact' GROUP BY d.target`,
      )
      .all()
      .map(({ target, ...figures }) => [target, figures]),
  );
  const none = { done: 0, failed: 0, waiting: 0, failures: 0, files: 0, bytes: 0 };
  return counts.map(({ target, retried, synced, pending, refused, forgotten, last_error }) => ({
    target,
    runs: { synced, pending, refused, forgotten },
    ...(uploads.get(target) ?? none),
    retried,
    last_error,
  }));
}

/** Over all servers. */
export function sumOf(servers: readonly UploadFigures[]): UploadFigures {
  const sum: UploadFigures = { done: 0, failed: 0, waiting: 0, failures: 0, retried: 0, files: 0, bytes: 0 };
  for (const server of servers) for (const key of Object.keys(sum) as (keyof UploadFigures)[]) sum[key] += server[key];
  return sum;
}
