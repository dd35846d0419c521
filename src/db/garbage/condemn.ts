import type { Database } from "bun:sqlite";
import { ofDataset } from "../records/of-dataset.ts";
import { eachName } from "./read-artifacts.ts";
import type { Artifacts } from "./read-artifacts.ts";
import { RULES } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { insertAll } from "./tables.ts";

// What rules condemn, each of them as many as its function returns; and the table of those that go.

/** What rules condemn, in columns by the seqs of artifacts. */
export interface Garbage {
  /** The place of the rule in `RULES`, from 1; 0: it does not go. */
  rules: Uint8Array;
  /** The number that goes with it: how many newer versions there are, or a time in milliseconds. Those of age and size are asked of the rows that are told of. */
  newer: Uint32Array;
  times: Float64Array;
  count: number;
}

export function noGarbage({ states }: Artifacts): Garbage {
  const room = states.length;
  return { rules: new Uint8Array(room), newer: new Uint32Array(room), times: new Float64Array(room), count: 0 };
}

/** The first rule that condemns one is told. Returns how many that are: one, or none. */
function condemn(garbage: Garbage, seq: number, rule: Rule): 0 | 1 {
  if (garbage.rules[seq] !== 0) return 0;
  garbage.rules[seq] = RULES.indexOf(rule) + 1;
  garbage.count++;
  return 1;
}

function condemnRows(db: Database, garbage: Garbage, rule: Rule, query: string, ...given: (string | number)[]): number {
  let count = 0;
  for (const { seq, time } of db.query<{ seq: number; time: number }, (string | number)[]>(query).iterate(...given)) {
    if (!condemn(garbage, seq, rule)) continue;
    garbage.times[seq] = time;
    count++;
  }
  return count;
}

/** For the planner, which uses a partial index only where the index's own words stand in the query. */
const OUT_OF_SIGHT = "a.state IN ('withdrawn', 'removed')";

/** What `rm` took out of sight no later than a time. */
export function condemnRemoved(db: Database, garbage: Garbage, until: number): number {
  const removed = `SELECT a.seq, a.state_at AS time FROM artifacts a WHERE ${OUT_OF_SIGHT} AND a.state = 'removed' AND a.state_at <= ?`;
  return condemnRows(db, garbage, "removed", removed, until);
}

/** What `rm` took out of sight later than a time: how many, and when the first and the last of them. */
export function removedSince(db: Database, after: number): { items: number; first: number | null; last: number | null } {
  return db
    .query<{ items: number; first: number | null; last: number | null }, [number]>(
      `SELECT count(*) AS items, min(a.state_at) AS first, max(a.state_at) AS last FROM artifacts a WHERE ${OUT_OF_SIGHT} AND a.state = 'removed' AND a.state_at > ?`,
    )
    .get(after) as { items: number; first: number | null; last: number | null };
}

/** What runs that ended no later than a time took back when they failed. */
export function condemnWithdrawn(db: Database, garbage: Garbage, until: number): number {
  const since = "ifnull(r.ended_at, a.state_at)";
  const withdrawn = `SELECT a.seq, ${since} AS time FROM artifacts a JOIN runs r ON r.seq = a.run
    WHERE ${OUT_OF_SIGHT} AND a.state = 'withdrawn' AND r.state <> 'running' AND ${since} <= ?`;
  return condemnRows(db, garbage, "failed-runs", withdrawn, until);
}

/** Live versions that have at least `keep` newer ones. */
export function condemnVersions(db: Database, garbage: Garbage, artifacts: Artifacts, keep: number): number {
  let count = 0;
  eachName(db, artifacts, (versions, all) => {
    for (let newer = all - 1; newer >= keep; newer--) {
      const seq = versions[all - 1 - newer] as number;
      if (!condemn(garbage, seq, "versions")) continue;
      garbage.newer[seq] = newer;
      count++;
    }
  });
  return count;
}

/** Live ones that were read as old; `spareNewest` is to follow. */
export function condemnOld(garbage: Garbage, { old }: Artifacts): number {
  let count = 0;
  for (let seq = 0; seq < old.length; seq++) if (old[seq] === 1) count += condemn(garbage, seq, "age");
  return count;
}

/** All of a dataset, in sight or not. */
export function condemnDataset(db: Database, garbage: Garbage, dataset: string, at: number): number {
  const all = `SELECT a.seq, ?2 AS time FROM artifacts a WHERE a.state <> 'deleted' AND ${ofDataset("a.dataset", dataset, "?1")}`;
  return condemnRows(db, garbage, "purge", all, dataset, at);
}

/** One that goes for the sake of room. When it was last used is not written down: it is asked of those that are told of. */
export function condemnForRoom(garbage: Garbage, seq: number): void {
  condemn(garbage, seq, "size");
}

/** Puts garbage into its table: of one rule, or of all; the first `most` of it. Returns their seqs. */
export function writeGarbage(db: Database, { rules, newer, times }: Garbage, rule: string | null, most: number): Uint32Array {
  const wanted = rule === null ? 0 : (RULES as readonly string[]).indexOf(rule) + 1;
  const found = new Uint32Array(Math.min(most, rules.length));
  let count = 0;
  for (let seq = 0; seq < rules.length && count < found.length; seq++)
    if (rules[seq] && (rule === null || rules[seq] === wanted)) found[count++] = seq;
  const seqs = found.subarray(0, count);
  for (const [place, word] of RULES.entries()) {
    const own = seqs.filter((seq) => rules[seq] === place + 1);
    const insert = `INSERT OR IGNORE INTO temp.gc_garbage (seq, rule, detail) SELECT`;
    if (word === "age" || word === "size") insertAll(db, `${insert} value, '${word}', 0 FROM json_each(?)`, own);
    else {
      const details = word === "versions" ? newer : times;
      insertAll(db, `${insert} value ->> 0, '${word}', value ->> 1 FROM json_each(?)`, own, (seq) => `[${seq},${details[seq]}]`);
    }
  }
  return seqs;
}
