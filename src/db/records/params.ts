import type { Database } from "bun:sqlite";

/** Sets parameters of a run; the last value of a key counts. */
export function set(db: Database, run: number, params: Iterable<readonly [key: string, value: string]>): void {
  const statement = db.query(
    "INSERT INTO params (run, key, value) VALUES (?, ?, ?) ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
  );
  for (const [key, value] of params) statement.run(run, key, value);
}

export function ofRun(db: Database, run: number): Record<string, string> {
  return Object.fromEntries(
    db
      .query<{ key: string; value: string }, [number]>("SELECT key, value FROM params WHERE run = ? ORDER BY key")
      .all(run)
      .map((row) => [row.key, row.value]),
  );
}
