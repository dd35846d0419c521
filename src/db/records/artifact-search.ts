import type { Database } from "bun:sqlite";
import { filterClauses } from "./artifacts.ts";
import type { ArtifactFilter, ArtifactRow } from "./artifacts.ts";
import { meets, ofRun, ranking } from "./conditions.ts";
import type { Bind, Condition, Fields, Sort } from "./conditions.ts";

/** A row with the id of its run, and what it was sorted by: null where it has nothing there, "NaN" where that is no number. */
export type FoundArtifact = ArtifactRow & { run_id: string; sorted_by: number | string | null };

const PLAIN: Fields["plain"] = {
  name: { sql: "a.name" },
  type: { sql: "a.type" },
  class: { sql: "a.class" },
  dataset: { sql: "a.dataset" },
  pipeline: { sql: "a.pipeline" },
  // [0,2] is 0:2, as in an execution-path id
  branch: { sql: "nullif(replace(trim(a.branch, '[]'), ',', ':'), '')" },
  step: { sql: "a.step", always: "number" },
  fold: { sql: "CASE WHEN a.step IS NOT NULL THEN ifnull(a.fold, 'all') END" },
  path: { sql: "a.path" },
  version: { sql: "a.version", always: "number" },
  size: { sql: "a.size", always: "number" },
  files: { sql: "a.files", always: "number" },
  created: { sql: "strftime('%Y-%m-%dT%H:%M:%fZ', a.created_at / 1000.0, 'unixepoch')", always: "text" },
};

/** Metrics, params and tags are the artifact's own, then its run's. */
export const ARTIFACT_FIELDS: Fields = {
  plain: PLAIN,
  keyed(table, key) {
    const its = table === "tags" ? `(SELECT value FROM artifact_tags WHERE artifact = a.seq AND key = ${key})` : own(table, key);
    return `ifnull(${its}, ${ofRun(table, "a.run", key)})`;
  },
};

/**
 * Artifacts that pass the filter and meet all conditions, the newest first or in the order of `sort`. A field that an artifact does not have meets no
 * condition, and comes last. Two numbers compare as numbers, whichever way they are spelled; anything else as text, byte by byte. Params, metrics and
 * tags are sorted with numbers before texts. The database looks and ranks, and rows come one by one.
 */
export function search(db: Database, filter: ArtifactFilter, conditions: readonly Condition[], sort?: Sort): Iterable<FoundArtifact> {
  const { clauses, values } = filterClauses(db, filter);
  const bind: Bind = (value) => `?${values.push(value)}`;
  for (const condition of conditions) clauses.push(meets(ARTIFACT_FIELDS, condition, bind));
  const where = clauses.join(" AND ");
  const limit = bind(filter.limit ?? -1);
  if (!sort)
    return db
      .query<FoundArtifact, (string | number)[]>(
        `SELECT a.*, r.id AS run_id, NULL AS sorted_by FROM artifacts a CROSS JOIN runs r ON r.seq = a.run WHERE ${where} ORDER BY a.seq DESC LIMIT ${limit}`,
      )
      .iterate(...values);
  const { ranks, order } = ranking(ARTIFACT_FIELDS, sort, `artifacts a WHERE ${where}`, bind);
  return db
    .query<FoundArtifact, (string | number)[]>(
      // ranked by what the order needs alone; whole rows are read of the few that are left
      `WITH ranks AS MATERIALIZED (${ranks} ORDER BY ${order} LIMIT ${limit})
       SELECT a.*, r.id AS run_id, x AS sorted_by FROM ranks CROSS JOIN artifacts a ON a.seq = ranked CROSS JOIN runs r ON r.seq = a.run ORDER BY ${order}`,
    )
    .iterate(...values);
}

/** Of what was said of the artifact itself. A key is compared, never put into a JSON path. */
function own(column: "metrics" | "params", key: string): string {
  return `CASE WHEN a.${column} <> '{}' THEN (SELECT value FROM json_each(a.${column}) WHERE key = ${key} AND type IN ('integer', 'real', 'text')) END`;
}
