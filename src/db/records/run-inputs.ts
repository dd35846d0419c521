import type { Database } from "bun:sqlite";

export interface RunInputRow {
  run: number;
  position: number;
  artifact: number | null;
  path: string | null;
  digest: string;
  size: number;
  how: "declared" | "got";
  changed: number;
}

/** Adds what a run read, unless it is there. */
export function add(db: Database, input: Omit<RunInputRow, "position" | "changed">): void {
  const same = db
    .query("SELECT 1 FROM run_inputs WHERE run = ?1 AND digest = ?2 AND artifact IS ?3 AND path IS ?4")
    .get(input.run, input.digest, input.artifact, input.path);
  if (same) return;
  db.query(
    `INSERT INTO run_inputs (run, position, artifact, path, digest, size, how)
     VALUES (?1, (SELECT ifnull(max(position) + 1, 0) FROM run_inputs WHERE run = ?1), ?2, ?3, ?4, ?5, ?6)`,
  ).run(input.run, input.artifact, input.path, input.digest, input.size, input.how);
}

export function ofRun(db: Database, run: number): RunInputRow[] {
  return db.query<RunInputRow, [number]>("SELECT * FROM run_inputs WHERE run = ? ORDER BY position").all(run);
}

/** The input was no longer the same when the run ended. */
export function markChanged(db: Database, run: number, position: number): void {
  db.query("UPDATE run_inputs SET changed = 1 WHERE run = ? AND position = ?").run(run, position);
}

/** Paths outside of the store that runs read, and what they found there. */
export function outside(db: Database): { path: string; digest: string }[] {
  return db.query<{ path: string; digest: string }, []>("SELECT DISTINCT path, digest FROM run_inputs WHERE path IS NOT NULL").all();
}
