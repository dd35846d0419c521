import type { Database } from "bun:sqlite";
import type { ArtifactRow } from "./artifacts.ts";
import { distinct } from "./distinct.ts";
import { ofDataset } from "./of-dataset.ts";

/** What the records of a pipeline's step are narrowed by; a key that is missing narrows nothing. */
export interface StepFilter {
  pipeline: string;
  step: number;
  subStep?: number;
  /** Only those of one of these branch paths. */
  branches?: readonly (readonly number[])[];
  /** Records of this fold and those without one; null: only those without one. */
  fold?: number | null;
  /** Only those that have a fold. */
  hasFold?: boolean;
  type?: string;
  dataset?: string;
}

/** What somebody may load: not the log and the code that coffer captured. */
const LOADABLE = "state = 'live' AND role IN ('output', 'logged', 'imported')";

/** The same again is a newer version: the id, or, where that is a run's own, the place in the pipeline together with name or path. */
const SAME = "CASE WHEN instr(id, '/') = 0 THEN id ELSE json_array(branch, sub_step, fold, ifnull(name, path)) END";

/** What a step reports of itself is loaded where somebody asks for it, or gave it an id of the step: by type, or as such. */
const REPORTS = "(type IN ('metrics', 'config', 'log') AND instr(id, '/') > 0)";

/** The newest version of each record in sight, in no order. */
export function newest(db: Database, filter: StepFilter): ArtifactRow[] {
  const { where, values } = clauses(filter);
  return db
    .query<ArtifactRow, (string | number)[]>(
      `SELECT * FROM artifacts WHERE seq IN (SELECT max(seq) FROM artifacts WHERE ${where} AND ${LOADABLE} GROUP BY ${SAME})`,
    )
    .all(...values);
}

/** For the error that says what there is. */
export function pipelines(db: Database, limit: number): string[] {
  return distinct(db, { table: "artifacts", column: "pipeline" }, limit);
}

/** The numbers of a pipeline's steps. */
export function steps(db: Database, pipeline: string, limit: number): number[] {
  return distinct(db, { table: "artifacts", column: "step", within: "pipeline = ?1", values: [pipeline] }, limit);
}

function clauses(filter: StepFilter): { where: string; values: (string | number)[] } {
  const where = ["pipeline = ?", "step = ?"];
  const values: (string | number)[] = [filter.pipeline, filter.step];
  const want = (clause: string, ...given: (string | number)[]): void => {
    where.push(clause);
    values.push(...given);
  };
  if (filter.subStep !== undefined) want("sub_step = ?", filter.subStep);
  if (filter.branches !== undefined)
    want("branch IN (SELECT value FROM json_each(?))", JSON.stringify(filter.branches.map((branch) => JSON.stringify(branch))));
  if (filter.fold === null) want("fold IS NULL");
  else if (filter.fold !== undefined) want("(fold IS NULL OR fold = ?)", filter.fold);
  if (filter.hasFold) want("fold IS NOT NULL");
  // the unary plus keeps SQLite at the index of pipeline and step: a type or a dataset may have a million records
  if (filter.type !== undefined) want("+type = ?", filter.type);
  else want(`NOT ${REPORTS}`);
  if (filter.dataset !== undefined) want(ofDataset("+dataset", filter.dataset, "?"), filter.dataset);
  return { where: where.join(" AND "), values };
}
