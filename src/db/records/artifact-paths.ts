import type { Database } from "bun:sqlite";
import type { ArtifactRow } from "./artifacts.ts";

export function countOfRun(db: Database, run: number): number {
  return (db.query("SELECT count(*) AS n FROM artifacts WHERE run = ?").get(run) as { n: number }).n;
}

/** All that a run ever had at a path, in any state, the oldest first. */
export function allAtPath(db: Database, run: number, path: string): ArtifactRow[] {
  return db.query<ArtifactRow, [number, string]>("SELECT * FROM artifacts WHERE run = ? AND path = ? ORDER BY seq").all(run, path);
}
