import type { Database } from "bun:sqlite";

/** Keys of metrics, params or tags that anything has: a run, or an artifact by itself. Reads whole tables; in alphabetical order. */
export function knownKeys(db: Database, table: "metrics" | "params" | "tags"): string[] {
  const ofRuns = `SELECT key FROM ${table === "metrics" ? "metric_points" : table}`;
  const ofArtifacts =
    table === "tags" ? "SELECT key FROM artifact_tags" : `SELECT j.key FROM artifacts a, json_each(a.${table}) j WHERE a.${table} <> '{}'`;
  return (db.query(`${ofRuns} UNION ${ofArtifacts} ORDER BY 1`).values() as [string][]).map(([key]) => key);
}
