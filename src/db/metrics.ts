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

/** The points behind `after` (a seq), in order of arrival. */
export function since(db: Database, run: number, after = 0): (MetricPoint & { seq: number })[] {
  return db
    .query<Row, [number, number]>("SELECT seq, key, value, step, time FROM metric_points WHERE run = ? AND seq > ? ORDER BY seq")
    .all(run, after)
    .map((row) => ({ ...row, value: row.value ?? Number.NaN }));
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
