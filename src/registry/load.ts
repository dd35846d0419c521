import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as ofStep from "../db/records/of-step.ts";
import type { StepFilter } from "../db/records/of-step.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import { matchingBranches } from "../domain/execution-path.ts";
import type { Store } from "../store/store.ts";

/** Which records of a pipeline's step are wanted; what is not said narrows nothing. */
export interface Wanted {
  pipeline: string;
  step: number;
  subStep: number | null;
  /** Records whose branch path is a prefix of it. */
  branch: readonly number[] | undefined;
  /** Records of this fold and those without one; null: only those without one. */
  fold: number | null | undefined;
  /** Only those that have a fold. */
  hasFold: boolean;
  type: ArtifactType | undefined;
  dataset: string | undefined;
}

/**
 * The newest version of each record that is wanted, by branch, sub-step, fold and id. No byte of theirs is looked at.
 * @throws CofferError NOT_FOUND, with what there is
 */
export function findRecords(store: Store, wanted: Wanted): ArtifactRow[] {
  const filter: StepFilter = {
    pipeline: wanted.pipeline,
    step: wanted.step,
    hasFold: wanted.hasFold,
    ...(wanted.branch !== undefined && { branches: matchingBranches(wanted.branch) }),
    ...(wanted.subStep !== null && { subStep: wanted.subStep }),
    ...(wanted.fold !== undefined && { fold: wanted.fold }),
    ...(wanted.type !== undefined && { type: wanted.type }),
    ...(wanted.dataset !== undefined && { dataset: wanted.dataset }),
  };
  const found = ofStep.newest(store.db, filter);
  if (found.length === 0) throw nothingFound(store, wanted);
  return found.toSorted(inOrder);
}

/** For each branch and sub-step, the numbers below its highest fold that no record has. */
export function missingFolds(records: readonly ArtifactRow[]): { branch: number[]; sub_step: number | null; folds: number[] }[] {
  const groups = Map.groupBy(
    records.filter((record) => record.fold !== null),
    (record) => JSON.stringify([JSON.parse(record.branch), record.sub_step]),
  );
  return [...groups].flatMap(([key, its]) => {
    const [branch, sub_step] = JSON.parse(key) as [number[], number | null];
    const there = new Set(its.map((record) => record.fold as number));
    const folds: number[] = [];
    for (let fold = 0, last = Math.max(...there); fold < last && folds.length < MANY; fold++) if (!there.has(fold)) folds.push(fold);
    return folds.length === 0 ? [] : [{ branch, sub_step, folds }];
  });
}

const MANY = 20;

function inOrder(one: ArtifactRow, other: ArtifactRow): number {
  return (
    compareBranches(JSON.parse(one.branch) as number[], JSON.parse(other.branch) as number[]) ||
    (one.sub_step ?? -1) - (other.sub_step ?? -1) ||
    (one.fold ?? -1) - (other.fold ?? -1) ||
    (one.id < other.id ? -1 : one.id > other.id ? 1 : one.seq - other.seq)
  );
}

function compareBranches(one: readonly number[], other: readonly number[]): number {
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const difference = (one[at] as number) - (other[at] as number);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

function nothingFound(store: Store, wanted: Wanted): CofferError {
  const { pipeline, step } = wanted;
  const steps = ofStep.steps(store.db, pipeline, MANY);
  if (steps.length === 0) {
    const known = ofStep.pipelines(store.db, 1000);
    const near = closest(pipeline, known);
    return new CofferError("NOT_FOUND", `no step of a pipeline “${pipeline}” has a record`, {
      hint: near ? `did you mean ${near}?` : "log with --step, or run with --pipeline and --step",
      candidates: near ? [near] : known.slice(0, MANY),
    });
  }
  const all = steps.includes(step) ? ofStep.newest(store.db, { pipeline, step }).toSorted(inOrder) : [];
  if (all.length === 0)
    return new CofferError("NOT_FOUND", `step ${step} of “${pipeline}” has no record in sight`, {
      hint: `it has records of ${steps.length === 1 ? "step" : "steps"} ${steps.join(", ")}`,
    });
  return new CofferError("NOT_FOUND", `step ${step} of “${pipeline}” has no record for what was asked`, {
    hint: "these are its records; a record matches when its branch path is a prefix of the one asked for",
    candidates: [...new Set(all.map(placeOf))].slice(0, MANY),
  });
}

/** Where a record stands, in words: an id has them only where its step was named. */
function placeOf(record: ArtifactRow): string {
  const branch = JSON.parse(record.branch) as number[];
  const step = record.sub_step === null ? record.step : `${record.step}.${record.sub_step}`;
  return `${[record.pipeline, ...branch, step, record.fold ?? "all"].join(":")} (${record.type})`;
}
