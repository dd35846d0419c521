import * as damage from "../db/bytes/damage.ts";
import { leaves } from "../config/sections.ts";
import * as artifacts from "../db/records/artifacts.ts";
import * as inputs from "../db/records/run-inputs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import type { Store } from "../store/store.ts";
import { describeRun, summarizeRun } from "./describe-run.ts";
import type { RunRecord, RunSummary } from "./describe-run.ts";

/** A value of one key in both runs; null where a run does not have it. */
export interface ValueDiff {
  key: string;
  left: unknown;
  right: unknown;
  same: boolean;
}

export interface MetricDiff extends ValueDiff {
  /** right − left; null where one of them is no finite number. */
  difference: number | null;
}

/** What stands under one key: the bytes, and how they are called. */
export interface Side {
  ref: string;
  size: number;
  digest: string;
}

export interface BytesDiff {
  /** Of an artifact its path within the run; of an input its name, id or path. */
  key: string;
  change: "same" | "changed" | "only left" | "only right";
  left: Side | null;
  right: Side | null;
}

export interface RunDiff {
  left: RunSummary;
  right: RunSummary;
  /** Command, directory, place in a pipeline, how it ended. */
  about: ValueDiff[];
  code: ValueDiff[];
  params: ValueDiff[];
  metrics: MetricDiff[];
  tags: ValueDiff[];
  inputs: BytesDiff[];
  artifacts: BytesDiff[];
  environment: ValueDiff[];
  configuration: ValueDiff[];
}

/** What two runs have in common and what not, each key in the order of the alphabet. When they ran and how long they took is no difference. */
export function diffRuns(store: Store, left: RunRow, right: RunRow): RunDiff {
  const [a, b] = [describeRun(store, left), describeRun(store, right)];
  const hurt = damage.runs(store.db);
  return {
    left: summarizeRun(store, left, hurt),
    right: summarizeRun(store, right, hurt),
    about: diffValues(about(a), about(b)),
    code: diffValues(a.code, b.code),
    params: diffValues(a.params, b.params),
    metrics: diffValues(a.metrics, b.metrics).map((metric) => ({ ...metric, difference: difference(metric) })),
    tags: diffValues(a.tags, b.tags),
    inputs: diffBytes(inputsOf(store, left), inputsOf(store, right)),
    artifacts: diffBytes(artifactsOf(store, left), artifactsOf(store, right)),
    environment: diffValues(dotted(a.environment), dotted(b.environment)),
    configuration: diffValues(dotted(a.configuration), dotted(b.configuration)),
  };
}

const ABOUT = [
  "command",
  "directory",
  "state",
  "exit_code",
  "signal",
  "pipeline",
  "branch_path",
  "step_index",
  "sub_step",
  "fold_id",
  "dataset",
  "policy",
  "host",
  "user",
] as const satisfies readonly (keyof RunRecord)[];

function about(run: RunRecord): Record<string, unknown> {
  return Object.fromEntries(ABOUT.map((key) => [key, run[key]]));
}

function diffValues(left: Readonly<Record<string, unknown>>, right: Readonly<Record<string, unknown>>): ValueDiff[] {
  return keysOf(new Set([...Object.keys(left), ...Object.keys(right)]))
    .map((key) => ({ key, left: own(left, key), right: own(right, key) }))
    .filter((pair) => pair.left !== null || pair.right !== null)
    .map((pair) => ({ ...pair, same: Bun.deepEquals(pair.left, pair.right, true) }));
}

function diffBytes(left: ReadonlyMap<string, Side>, right: ReadonlyMap<string, Side>): BytesDiff[] {
  return keysOf(new Set([...left.keys(), ...right.keys()])).map((key) => {
    const [a, b] = [left.get(key) ?? null, right.get(key) ?? null];
    const change = a === null ? "only right" : b === null ? "only left" : a.digest === b.digest ? "same" : "changed";
    return { key, change, left: a, right: b };
  });
}

function difference({ left, right }: ValueDiff): number | null {
  return typeof left === "number" && typeof right === "number" ? right - left : null;
}

/** The newest of each path; its digest is known also when gc has deleted it. */
function artifactsOf(store: Store, run: RunRow): Map<string, Side> {
  return new Map(
    artifacts.ofRun(store.db, run.seq, "any").map((row) => [row.path, { ref: artifactRef(row), size: row.size, digest: row.digest }]),
  );
}

/** By name, so that two versions of it are one input that changed; by version where a run read several of them. */
function inputsOf(store: Store, run: RunRow): Map<string, Side> {
  const read = inputs.ofRun(store.db, run.seq).map((input) => {
    const artifact = input.artifact === null ? null : artifacts.bySeq(store.db, input.artifact);
    const ref = artifact ? artifactRef(artifact) : (input.path ?? input.digest);
    return { key: artifact?.name ?? ref, side: { ref, size: input.size, digest: input.digest } };
  });
  const isOne = (key: string): boolean => read.filter((input) => input.key === key).length === 1;
  return new Map(read.map(({ key, side }) => [isOne(key) ? key : side.ref, side]));
}

function dotted(tree: unknown): Record<string, unknown> {
  return Object.fromEntries(leaves((tree ?? {}) as object));
}

function own(values: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(values, key) ? (values[key] ?? null) : null;
}

function keysOf(keys: Iterable<string>): string[] {
  return [...keys].sort((a, b) => (a < b ? -1 : 1));
}
