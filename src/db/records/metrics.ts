import type { Database } from "bun:sqlite";

/** One measured point. `value` may be NaN or infinite. */
export interface MetricPoint {
  key: string;
  value: number;
  step: number;
  /** Milliseconds since 1970. */
  time: number;
}

interface Row {
  seq: number;
  key: string;
  value: number | null;
  step: number;
  time: number;
}

export function insert(db: Database, run: number, points: Iterable<MetricPoint>): void {
  const statement = db.query("INSERT INTO metric_points (run, key, value, step, time) VALUES (?, ?, ?, ?, ?)");
  for (const { key, value, step, time } of points) statement.run(run, key, Number.isNaN(value) ? null : value, step, time);
}

/** All points behind `after` (a seq), in order of arrival. */
export function since(db: Database, run: number, after = 0): (MetricPoint & { seq: number })[] {
  return db
    .query<Row, [number, number]>("SELECT seq, key, value, step, time FROM metric_points WHERE run = ? AND seq > ? ORDER BY seq")
    .all(run, after)
    .map((row) => ({ ...row, value: row.value ?? Number.NaN }));
}

/** seqs of the points behind `after`, in order of arrival: by the index alone, which pages of points would sort once for each page. */
export function seqsSince(db: Database, run: number, after: number): number[] {
  return db
    .query<{ seq: number }, [number, number]>("SELECT seq FROM metric_points WHERE run = ? AND seq > ? ORDER BY seq")
    .all(run, after)
    .map(({ seq }) => seq);
}

/** The points from one seq to another, both included, in order of arrival. */
export function between(db: Database, run: number, first: number, last: number): MetricPoint[] {
  return db
    .query<Row, [number, number, number]>(
      // the plus keeps SQLite from the index by run, which is in another order
      "SELECT seq, key, value, step, time FROM metric_points WHERE seq BETWEEN ? AND ? AND +run = ? ORDER BY seq",
    )
    .all(first, last, run)
    .map(({ key, value, step, time }) => ({ key, value: value ?? Number.NaN, step, time }));
}

/** The latest point of each key: the highest step, then the latest time, then the last to arrive. */
export function latest(db: Database, run: number): MetricPoint[] {
  return db
    .query<Row, [number]>(
      `SELECT seq, key, value, step, time FROM (
         SELECT *, row_number() OVER (PARTITION BY key ORDER BY step DESC, time DESC, seq DESC) AS rank FROM metric_points WHERE run = ?
       ) WHERE rank = 1 ORDER BY key`,
    )
    .all(run)
    .map(({ key, value, step, time }) => ({ key, value: value ?? Number.NaN, step, time }));
}

/** The seq of a run's last point; 0 where it has none. */
export function last(db: Database, run: number): number {
  return (
    (
      db.query<{ seq: number | null }, [number]>("SELECT max(seq) AS seq FROM metric_points WHERE run = ?").get(run) as {
        seq: number | null;
      }
    ).seq ?? 0
  );
}

export function countAfter(db: Database, run: number, after: number): number {
  return (
    db
      .query<{ count: number }, [number, number]>("SELECT count(*) AS count FROM metric_points WHERE run = ? AND seq > ?")
      .get(run, after) as { count: number }
  ).count;
}

export function keys(db: Database, run: number): string[] {
  return db
    .query<{ key: string }, [number]>("SELECT DISTINCT key FROM metric_points WHERE run = ? ORDER BY key")
    .all(run)
    .map((row) => row.key);
}

/** The points of one metric, each distinct one once, as a server keeps them. */
export function distinctPoints(db: Database, run: number, key: string): Omit<MetricPoint, "key">[] {
  return db
    .query<Omit<Row, "seq" | "key">, [number, string]>("SELECT DISTINCT value, step, time FROM metric_points WHERE run = ? AND key = ?")
    .all(run, key)
    .map((row) => ({ ...row, value: row.value ?? Number.NaN }));
}
