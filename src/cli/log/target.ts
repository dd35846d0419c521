import * as outbox from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { CofferError } from "../../domain/error.ts";
import { parseExecutionPath } from "../../domain/execution-path.ts";
import type { ExecutionPath } from "../../domain/execution-path.ts";
import type { LogRequest } from "../../registry/log.ts";
import { resolveRun } from "../../registry/resolve.ts";
import type { Store } from "../../store/store.ts";
import { parseContext } from "../context.ts";
import { currentRun } from "../current-run.ts";
import type { Io } from "../io.ts";

/** What `coffer log` logs to. */
export interface Target {
  /** A run that exists. */
  run: RunRow | undefined;
  /** Otherwise: what is known of the one that is made for this one call. */
  newRun: LogRequest["newRun"];
  /** An MLflow run that exists already and is none of ours yet. */
  remoteRun: string | undefined;
  /** What `--step` says. */
  step: ExecutionPath | undefined;
}

/**
 * `--run`, then the current run, then MLFLOW_RUN_ID, else a new one. `step` is an id, or a dot for where the run stands.
 * @throws CofferError NOT_FOUND, NAME_INVALID, USAGE for a dot where nothing says so
 */
export async function findTarget(store: Store, io: Io, ref: string | undefined, step: string | undefined): Promise<Target> {
  const parsed = step === undefined || step === "." ? undefined : parseExecutionPath(step);
  const { run, remoteRun } = existing(store, io, ref);
  if (run) return { run, newRun: {}, remoteRun, step: step === "." ? standsAt(run) : parsed };
  const place = parsed ? { pipeline: parsed.pipeline } : placeInEnvironment(io.env);
  const newRun = { directory: io.cwd, ...place, ...(await circumstances(store, io)) };
  return { run, newRun, remoteRun, step: step === "." ? standsAt(place) : parsed };
}

/** An empty variable is none. */
function existing(store: Store, io: Io, ref: string | undefined): Pick<Target, "run" | "remoteRun"> {
  if (ref !== undefined) return { run: resolveRun(store, ref), remoteRun: undefined };
  const current = currentRun(store, io.env);
  const remote = io.env["MLFLOW_RUN_ID"];
  if (current || !remote) return { run: current, remoteRun: undefined };
  const known = outbox.runOfRemote(store.db, remote);
  return known === undefined
    ? { run: undefined, remoteRun: remote }
    : { run: runs.bySeq(store.db, known) ?? undefined, remoteRun: undefined };
}

type Place = Partial<Pick<RunRow, "pipeline" | "branch" | "step" | "sub_step" | "fold">>;

function standsAt({ pipeline, branch = "[]", step, sub_step: subStep = null, fold = null }: Place): ExecutionPath {
  if (!pipeline || step === null || step === undefined)
    throw new CofferError("USAGE", "--step . is where the run stands, and this one is of no step of a pipeline", {
      hint: "start it with coffer run --pipeline ID --step N, or write the id: --step pipeline:[branch:…]step[.sub]:fold",
    });
  return { pipeline, branch: JSON.parse(branch) as number[], step, subStep, fold };
}

function placeInEnvironment(env: Io["env"]): Place {
  const { pipeline, branch, step, fold } = parseContext({ pipeline: undefined, step: undefined, branch: undefined, fold: undefined }, env);
  return {
    pipeline: pipeline ?? null,
    branch: JSON.stringify(branch ?? []),
    step: step?.step ?? null,
    sub_step: step?.subStep ?? null,
    fold: fold ?? null,
  };
}

/** Inside of a run, its wrapper has recorded them. */
async function circumstances(store: Store, io: Io): Promise<Partial<RunRow>> {
  const [{ recordedCircumstances }, { readCodeCommit }] = await Promise.all([
    import("../../run/recorded-circumstances.ts"),
    import("../../run/code/code-commit.ts"),
  ]);
  return { ...recordedCircumstances(store, io.env), ...(await readCodeCommit(io.cwd, io.env)) };
}
