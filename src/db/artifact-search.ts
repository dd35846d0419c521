import type { Database } from "bun:sqlite";
import { parseNumber } from "../domain/assignment.ts";
import { filterClauses } from "./artifacts.ts";
import type { ArtifactFilter, ArtifactRow } from "./artifacts.ts";
import { numberOf, ONCE } from "./number-in-sql.ts";

export type Operator = "=" | "!=" | "<" | "<=" | ">" | ">=";

export interface Condition {
  /** `metrics.KEY`, `params.KEY`, `tags.KEY` (the artifact's own, then its run's), or one of PLAIN_FIELDS. */
  field: string;
  operator: Operator;
  value: string;
}

export interface Sort {
  field: string;
  descending: boolean;
}

/** A row with the id of its run, and what it was sorted by: null where it has nothing there, "NaN" where that is no number. */
export type FoundArtifact = ArtifactRow & { run_id: string; sorted_by: number | string | null };

/** Fields of the artifact's own row; NULL where it does not have one. */
export const PLAIN_FIELDS: Readonly<Record<string, { sql: string; always?: "number" | "text" }>> = {
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

/**
 * Artifacts that pass the filter and meet all conditions, the newest first or in the order of `sort`. A field that an artifact does not have meets no
 * condition, and comes last. Two numbers compare as numbers, whichever way they are spelled; anything else as text, byte by byte. Params, metrics and
 * tags are sorted with numbers before texts. The database looks and ranks, and rows come one by one.
 */
export function search(db: Database, filter: ArtifactFilter, conditions: readonly Condition[], sort?: Sort): Iterable<FoundArtifact> {
  const { clauses, values } = filterClauses(db, filter);
  const bind: Bind = (value) => `?${values.push(value)}`;
  for (const condition of conditions) clauses.push(meets(condition, bind));
  const where = clauses.join(" AND ");
  const limit = bind(filter.limit ?? -1);
  if (!sort)
    return db
      .query<FoundArtifact, (string | number)[]>(
        `SELECT a.*, r.id AS run_id, NULL AS sorted_by FROM artifacts a CROSS JOIN runs r ON r.seq = a.run WHERE ${where} ORDER BY a.seq DESC LIMIT ${limit}`,
      )
      .iterate(...values);
  const direction = sort.descending ? "DESC" : "ASC";
  const x = valueOf(sort.field, bind);
  const numeric = plainField(sort.field) ? "x" : `CASE WHEN typeof(x) = 'text' THEN ${numberOf("x")} ELSE x END`;
  const order = `place, number ${direction}, text ${direction}, ranked DESC`;
  return db
    .query<FoundArtifact, (string | number)[]>(
      // ranked by what the order needs alone; whole rows are read of the few that are left
      `WITH ranks AS MATERIALIZED (SELECT ranked, x, ${rank(sort.field)} FROM (SELECT ranked, x, ${numeric} AS n FROM (SELECT a.seq AS ranked, ${x} AS x FROM artifacts a WHERE ${where} ${ONCE}) ${ONCE})
         ORDER BY ${order} LIMIT ${limit})
       SELECT a.*, r.id AS run_id, x AS sorted_by FROM ranks CROSS JOIN artifacts a ON a.seq = ranked CROSS JOIN runs r ON r.seq = a.run ORDER BY ${order}`,
    )
    .iterate(...values);
}

type Bind = (value: string | number) => string;

function meets({ field, operator, value }: Condition, bind: Bind): string {
  const test = operator === "!=" ? "<>" : operator;
  const x = valueOf(field, bind);
  const number = parseNumber(value);
  const plain = plainField(field);
  // bare, so that an index serves
  if (number === undefined || plain?.always === "text") return `${plain ? x : `CAST(${x} AS TEXT)`} ${test} ${bind(value)}`;
  // `all` is no number, but it is another fold than each number
  if (field === "fold" && test !== "=" && test !== "<>") return `a.fold ${test} ${bind(number)}`;
  // SQLite has no NaN: it is unequal to everything, and nothing else
  const unequal = test === "<>" ? 1 : 0;
  const compared = (it: string): string => (Number.isNaN(number) ? String(unequal) : `${it} ${test} ${bind(number)}`);
  if (plain?.always === "number") return `(${x} IS NOT NULL AND ${compared(x)})`;
  return `(SELECT CASE WHEN typeof(x) IN ('integer', 'real') THEN ${compared("x")} WHEN x IS NULL THEN 0 WHEN n IS NULL THEN x ${test} ${bind(value)}
     WHEN n = 'NaN' THEN ${unequal} ELSE ${compared("n")} END FROM (SELECT x, CASE WHEN typeof(x) = 'text' THEN ${numberOf("x")} END AS n FROM (SELECT ${x} AS x ${ONCE}) ${ONCE}))`;
}

/** Columns `place` (what has nothing there comes last), `number` and `text` of a value `x`. */
function rank(field: string): string {
  if (plainField(field)) return "x IS NULL AS place, x AS number, NULL AS text";
  return `CASE WHEN x IS NULL OR n IS 'NaN' THEN 2 ELSE n IS NULL END AS place, nullif(n, 'NaN') AS number, iif(n IS NULL, x, NULL) AS text`;
}

function valueOf(field: string, bind: Bind): string {
  const plain = plainField(field);
  if (plain) return plain.sql;
  const cut = field.indexOf(".");
  const key = bind(field.slice(cut + 1));
  switch (field.slice(0, cut)) {
    case "metrics":
      return `ifnull(${own("metrics", key)}, (SELECT ifnull(value, 'NaN') FROM metric_points WHERE run = a.run AND key = ${key} ORDER BY step DESC, time DESC, seq DESC LIMIT 1))`;
    case "params":
      return `ifnull(${own("params", key)}, (SELECT value FROM params WHERE run = a.run AND key = ${key}))`;
    default:
      return `ifnull((SELECT value FROM artifact_tags WHERE artifact = a.seq AND key = ${key}), (SELECT value FROM tags WHERE run = a.run AND key = ${key}))`;
  }
}

/** Of what was said of the artifact itself. A key is compared, never put into a JSON path. */
function own(column: "metrics" | "params", key: string): string {
  return `CASE WHEN a.${column} <> '{}' THEN (SELECT value FROM json_each(a.${column}) WHERE key = ${key} AND type IN ('integer', 'real', 'text')) END`;
}

function plainField(field: string): (typeof PLAIN_FIELDS)[string] | undefined {
  return Object.hasOwn(PLAIN_FIELDS, field) ? PLAIN_FIELDS[field] : undefined;
}
