import type { Database } from "bun:sqlite";
import type { RunState } from "../../domain/run-state.ts";
import { distinct } from "./distinct.ts";
import { ofDataset } from "./of-dataset.ts";

export interface RunRow {
  seq: number;
  id: string;
  kind: "wrapped" | "log" | "import";
  name: string | null;
  parent: number | null;
  state: RunState;
  adopted: number;
  exit_code: number | null;
  signal: string | null;
  started_at: number;
  ended_at: number | null;
  /** JSON list. */
  command: string | null;
  directory: string | null;
  host: string | null;
  user: string | null;
  /** JSON. */
  environment: string;
  policy: "separated" | "scratch" | null;
  /** Absolute, or relative to the store's root. */
  workspace: string | null;
  workspace_state: "present" | "removing" | "removed" | null;
  dataset: string | null;
  pipeline: string | null;
  /** JSON list of numbers. */
  branch: string;
  step: number | null;
  sub_step: number | null;
  fold: number | null;
  code_commit: string | null;
  code_branch: string | null;
  code_remote: string | null;
  code_dirty: number | null;
  cpu_user_ms: number | null;
  cpu_system_ms: number | null;
  max_rss: number | null;
  note: string | null;
  /** JSON. */
  configuration: string;
  removed_at: number | null;
  manifest: "due" | "written" | null;
  /** JSON. */
  extra: string;
}

/** What is known when a run begins. */
export type NewRun = Pick<RunRow, "id" | "kind" | "started_at"> & Partial<Omit<RunRow, "seq" | "id" | "kind" | "started_at" | "state">>;

/** Returns the new run's seq; it is running. */
export function insert(db: Database, run: NewRun): number {
  const columns = Object.keys(run).filter((key) => run[key as keyof NewRun] !== undefined);
  const statement = db.query(`INSERT INTO runs (state, ${columns.join(", ")}) VALUES ('running', ${columns.map(() => "?").join(", ")})`);
  return Number(statement.run(...columns.map((key) => run[key as keyof NewRun] as string | number | null)).lastInsertRowid);
}

/** Sets what became known later; keys that are missing stay as they are. */
export function update(db: Database, seq: number, change: Partial<Omit<RunRow, "seq" | "id">>): void {
  const columns = Object.keys(change).filter((key) => change[key as keyof typeof change] !== undefined);
  if (columns.length === 0) return;
  db.query(`UPDATE runs SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE seq = ?`).run(
    ...columns.map((key) => change[key as keyof typeof change] as string | number | null),
    seq,
  );
}

/** Takes away a run whose command never began; nothing but its params, tags and inputs can name it yet. */
export function forget(db: Database, seq: number): void {
  for (const table of ["params", "tags", "run_inputs", "events"]) db.query(`DELETE FROM ${table} WHERE run = ?`).run(seq);
  db.query("DELETE FROM runs WHERE seq = ?").run(seq);
}

/** Brings a run back that `rm` took out of sight. */
export function restore(db: Database, seq: number): void {
  db.query("UPDATE runs SET removed_at = NULL WHERE seq = ?").run(seq);
}

export function bySeq(db: Database, seq: number): RunRow | null {
  return db.query<RunRow, [number]>("SELECT * FROM runs WHERE seq = ?").get(seq);
}

export function byId(db: Database, id: string): RunRow | null {
  return db.query<RunRow, [string]>("SELECT * FROM runs WHERE id = ?").get(id);
}

/** The newest that was given this name; `removed`: also of those that `rm` took out of sight. */
export function newestOfName(db: Database, name: string, removed: boolean): RunRow | null {
  return db
    .query<RunRow, [string]>(`SELECT * FROM runs WHERE name = ? ${removed ? "" : "AND removed_at IS NULL"} ORDER BY seq DESC LIMIT 1`)
    .get(name);
}

/** At most `limit` names of runs, each once, the newest first. */
export function names(db: Database, limit: number): string[] {
  return (
    db.query("SELECT name FROM runs WHERE name IS NOT NULL GROUP BY name ORDER BY max(seq) DESC LIMIT ?").values(limit) as [string][]
  ).map(([name]) => name);
}

/** Every pipeline that runs or artifacts belong to, each once. */
export function pipelines(db: Database): string[] {
  return [...new Set(["runs", "artifacts"].flatMap((table) => distinct<string>(db, { table, column: "pipeline" }, -1)))];
}

/** Those of some ids that no run has. */
export function unknownIds(db: Database, ids: readonly string[]): string[] {
  return (
    db.query("SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM runs) ORDER BY 1").values(JSON.stringify(ids)) as [string][]
  ).map(([id]) => id);
}

/** At most `limit` runs whose id begins with `prefix`. */
export function byPrefix(db: Database, prefix: string, limit: number): RunRow[] {
  // a range on the index: LIKE would read the whole table
  return db
    .query<RunRow, [string, string, number]>("SELECT * FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?")
    .all(prefix, `${prefix}g`, limit);
}

export interface RunFilter {
  name?: string;
  state?: RunState;
  pipeline?: string;
  dataset?: string;
  tags?: readonly (readonly [string, string | undefined])[];
  /** That began then or later; milliseconds since 1970. */
  since?: number;
  /** Also what `rm` took out of sight. */
  removed?: boolean;
  limit?: number;
}

/** The newest first. */
export function list(db: Database, filter: RunFilter = {}): RunRow[] {
  const { where, values } = clausesOf(filter);
  const clause = where.length > 0 ? `WHERE ${where.join(" AND ")}` : "";
  return db.query<RunRow, (string | number)[]>(`SELECT * FROM runs ${clause} ORDER BY seq DESC LIMIT ?`).all(...values, filter.limit ?? -1);
}

/** Whether the filter lets a run through; its limit aside. */
export function isAmong(db: Database, filter: RunFilter, seq: number): boolean {
  const { where, values } = clausesOf(filter);
  return (
    db.query<unknown, (string | number)[]>(`SELECT 1 FROM runs WHERE ${["seq = ?", ...where].join(" AND ")}`).get(seq, ...values) !== null
  );
}

/** What a filter wants of a row of runs, its limit aside, as SQL; the values are its parameters, in order. */
export function clausesOf(filter: RunFilter): { where: string[]; values: (string | number)[] } {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const want = (clause: string, ...given: (string | number)[]) => {
    where.push(clause);
    values.push(...given);
  };
  if (!filter.removed) want("removed_at IS NULL");
  if (filter.name !== undefined) want("name = ?", filter.name);
  if (filter.state) want("state = ?", filter.state);
  if (filter.pipeline) want("pipeline = ?", filter.pipeline);
  if (filter.dataset) want(ofDataset("dataset", filter.dataset, "?"), filter.dataset);
  if (filter.since !== undefined) want("started_at >= ?", filter.since);
  for (const [key, value] of filter.tags ?? [])
    if (value === undefined) want("seq IN (SELECT run FROM tags WHERE key = ?)", key);
    else want("seq IN (SELECT run FROM tags WHERE key = ? AND value = ?)", key, value);
  return { where, values };
}

/** Runs whose manifest is to be written (again). */
export function manifestDue(db: Database): RunRow[] {
  return db.query<RunRow, []>("SELECT * FROM runs WHERE manifest = 'due' ORDER BY seq").all();
}

/** Every ended run is written down again. */
export function allManifestsAreDue(db: Database): void {
  db.run("UPDATE runs SET manifest = 'due' WHERE state <> 'running'");
}

/** The next run that a manifest is there of, or due, behind one in the order of their numbers. */
export function nextWithManifest(db: Database, after: number): RunRow | null {
  return db
    .query<RunRow, [number]>("SELECT * FROM runs WHERE seq > ? AND manifest IS NOT NULL AND state <> 'running' ORDER BY seq LIMIT 1")
    .get(after);
}

/** Runs whose scratch workspace was being removed when the process died. */
export function removing(db: Database): RunRow[] {
  return db.query<RunRow, []>("SELECT * FROM runs WHERE workspace_state = 'removing' ORDER BY seq").all();
}

/** Finished runs whose workspace is there, that ended no later than `time`. */
export function finishedWithWorkspace(db: Database, time: number): RunRow[] {
  return db
    .query<RunRow, [number]>(
      "SELECT * FROM runs WHERE state = 'finished' AND ended_at <= ? AND workspace_state = 'present' AND workspace IS NOT NULL ORDER BY seq",
    )
    .all(time);
}

/** Whether something that should have been stored could not be. */
export function lacksOutputs(db: Database, seq: number): boolean {
  return db.query("SELECT 1 FROM events WHERE run = ? AND kind = 'not-stored'").get(seq) !== null;
}
