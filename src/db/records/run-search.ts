import type { Database } from "bun:sqlite";
import { meets, ofRun, ranking } from "./conditions.ts";
import type { Bind, Condition, Fields, Sort } from "./conditions.ts";
import { clausesOf } from "./runs.ts";
import type { RunFilter, RunRow } from "./runs.ts";

/** A run, and what it was sorted by: null where it has nothing there, "NaN" where that is no number. */
export type FoundRun = RunRow & { sorted_by: number | string | null };

export const RUN_FIELDS: Fields = {
  plain: {
    name: { sql: "a.name" },
    state: { sql: "a.state", always: "text" },
    dataset: { sql: "a.dataset" },
    pipeline: { sql: "a.pipeline" },
    // in seconds
    took: { sql: "(a.ended_at - a.started_at) / 1000.0", always: "number" },
    started: { sql: "strftime('%Y-%m-%dT%H:%M:%fZ', a.started_at / 1000.0, 'unixepoch')", always: "text" },
  },
  keyed: (table, key) => ofRun(table, "a.seq", key),
};

/** Runs that pass the filter and meet all conditions, the newest first or in the order of `sort`: see `search` of artifacts. */
export function searchRuns(db: Database, filter: RunFilter, conditions: readonly Condition[], sort?: Sort): Iterable<FoundRun> {
  const { where, values } = clausesOf(filter);
  const bind: Bind = (value) => `?${values.push(value)}`;
  // the filter's own parameters have no numbers: its text comes first
  const among = `WITH among AS (SELECT * FROM runs WHERE ${where.length > 0 ? where.join(" AND ") : "1"})`;
  const from = `among a WHERE ${["1", ...conditions.map((condition) => meets(RUN_FIELDS, condition, bind))].join(" AND ")}`;
  const limit = bind(filter.limit ?? -1);
  if (!sort)
    return db
      .query<FoundRun, (string | number)[]>(`${among} SELECT a.*, NULL AS sorted_by FROM ${from} ORDER BY a.seq DESC LIMIT ${limit}`)
      .iterate(...values);
  const { ranks, order } = ranking(RUN_FIELDS, sort, from, bind);
  return db
    .query<FoundRun, (string | number)[]>(
      `${among}, ranks AS MATERIALIZED (${ranks} ORDER BY ${order} LIMIT ${limit})
       SELECT r.*, x AS sorted_by FROM ranks CROSS JOIN runs r ON r.seq = ranked ORDER BY ${order}`,
    )
    .iterate(...values);
}
