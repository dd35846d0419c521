import type { Database } from "bun:sqlite";

/** A stage logged this path of the run's workspace. */
export function add(db: Database, run: number, path: string): void {
  db.query("INSERT INTO staged_outputs (run, path) VALUES (?, ?) ON CONFLICT DO NOTHING").run(run, path);
}

/** A stage logged this path of the run's workspace, or a directory above it. */
export function covers(db: Database, run: number, path: string): boolean {
  return (
    db
      .query("SELECT 1 FROM staged_outputs WHERE run = ?1 AND (path = ?2 OR substr(?2, 1, length(path) + 1) = path || '/') LIMIT 1")
      .get(run, path) !== null
  );
}
