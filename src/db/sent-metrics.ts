import type { Database } from "bun:sqlite";
import type { MetricPoint } from "./metrics.ts";

interface Row {
  seq: number;
  key: string;
  value: number | null;
  step: number;
  time: number;
}

/** At most `limit` points behind `after` (a seq), in order of arrival: a run may have more than memory should hold. */
export function page(db: Database, run: number, after: number, limit: number): (MetricPoint & { seq: number })[] {
  return db
    .query<Row, [number, number, number]>(
      "SELECT seq, key, value, step, time FROM metric_points WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?",
    )
    .all(run, after, limit)
    .map((row) => ({ ...row, value: row.value ?? Number.NaN }));
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
