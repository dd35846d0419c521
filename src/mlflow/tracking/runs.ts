import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import { cleanText, prepareTag } from "./log-values.ts";
import type { Tag } from "./log-values.ts";
import { asNotMlflow } from "../http/refusal.ts";
import { ArtifactUri, ExperimentId, ModelId, RunId } from "./remote-id.ts";
import { call, callOnce, nameOf, REST } from "../http/request.ts";
import { retry, Transient } from "../http/retry.ts";

export type RunStatus = "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";

export interface RemoteRun {
  id: string;
  experimentId: string;
  name: string;
  status: string;
  /** Milliseconds since 1970. */
  startTime: number | undefined;
  endTime: number | undefined;
  artifactUri: string;
  lifecycle: "active" | "deleted";
  params: Map<string, string>;
  tags: Map<string, string>;
  /** The keys that have points; the points come from `readMetricHistory`. */
  metricKeys: string[];
  /** Dataset inputs. */
  datasets: { name: string; digest: string }[];
  /** Ids of the logged models that came of it. */
  models: string[];
}

export interface NewRun {
  experimentId: string;
  /** coffer's run id: the tag that it is found again by. */
  cofferRunId: string;
  /** Both as `fitRunName` and `fitUser` give them. */
  name: string;
  user: string;
  /** Milliseconds since 1970. */
  startTime: number;
  /** `mlflow.source.name` and the like; name, user and `coffer.run_id` are added here. */
  tags: readonly Tag[];
}

/** The tag that ties a run on the server to ours: MLflow gives run ids itself and knows no idempotency key. */
const RUN_TAG = "coffer.run_id";

/** PostgreSQL behind MLflow refuses longer ones. */
const MAX_RUN_NAME = 250;
const MAX_USER = 256;

const Pairs = v.optional(v.array(v.object({ key: v.string(), value: v.optional(v.string(), "") })), []);
const Run = v.object({
  info: v.object({
    run_id: RunId,
    experiment_id: ExperimentId,
    run_name: v.optional(v.string(), ""),
    status: v.optional(v.string(), "RUNNING"),
    start_time: v.optional(v.number()),
    end_time: v.optional(v.number()),
    artifact_uri: v.optional(ArtifactUri, ""),
    lifecycle_stage: v.optional(v.picklist(["active", "deleted"]), "active"),
  }),
  data: v.optional(v.object({ params: Pairs, tags: Pairs, metrics: v.optional(v.array(v.object({ key: v.string() })), []) })),
  inputs: v.optional(
    v.object({
      dataset_inputs: v.optional(v.array(v.object({ dataset: v.object({ name: v.string(), digest: v.optional(v.string(), "") }) })), []),
    }),
  ),
  outputs: v.optional(v.object({ model_outputs: v.optional(v.array(v.object({ model_id: ModelId })), []) })),
});
const RunAnswer = v.object({ run: Run });
const SearchAnswer = v.object({ runs: v.optional(v.array(Run), []) });

/**
 * The run that carries our id, made where there is none. `runs/create` is never repeated blindly: each try searches first, because the
 * one before may have arrived although its answer did not. A deleted run is returned as it is (`lifecycle`), not made again.
 * `asks` is called before each request that makes one. Of those that were asked for, one is the run that is returned; each of the others may still arrive, and only
 * `findTwins` would tell.
 * Two processes that ensure one run at once would make two; the caller keeps them apart.
 * @throws CofferError VALUE_INVALID for a tag that cannot be sent; SERVER_UNREACHABLE, SERVER_REFUSED
 */
export function ensureRun(connection: Connection, run: NewRun, asks?: () => void): Promise<RemoteRun> {
  const name = fitRunName(run.name);
  const user = fitUser(run.user);
  const own = new Map([
    [RUN_TAG, run.cofferRunId],
    ["mlflow.runName", name],
    ["mlflow.user", user],
  ]);
  const others = run.tags.filter((tag) => !own.has(tag.key));
  const tags = [...others, ...[...own].map(([key, value]) => ({ key, value }))].map((tag) => prepareTag(tag).value);
  const wanted = { experiment_id: run.experimentId, run_name: name, user_id: user, start_time: run.startTime, tags };
  const path = `${REST}/runs/create`;
  return retry(connection, nameOf("POST", path), async () => {
    const found = await searchOnce(connection, run.experimentId, run.cofferRunId);
    if (found) return found;
    asks?.();
    try {
      return remoteRun((await callOnce(connection, "POST", path, wanted, RunAnswer)).run);
    } catch (error) {
      // the server may still be at it: a search that comes at once would miss the run that is about to appear
      throw error instanceof Transient ? error.notBefore(1000) : error;
    }
  });
}

/** A run's name as every database behind MLflow takes it. */
export function fitRunName(name: string): string {
  return cleanText(name, MAX_RUN_NAME);
}

export function fitUser(user: string): string {
  return cleanText(user, MAX_USER);
}

/** @throws CofferError SERVER_REFUSED (404 RESOURCE_DOES_NOT_EXIST) where the server has no such run */
export async function getRun(connection: Connection, runId: string): Promise<RemoteRun> {
  try {
    return remoteRun((await call(connection, "GET", `${REST}/runs/get`, { run_id: runId }, RunAnswer)).run);
  } catch (error) {
    throw asNotMlflow(error);
  }
}

/** The newest active run of an experiment; undefined where it has none. @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED */
export async function newestRun(connection: Connection, experimentId: string): Promise<RemoteRun | undefined> {
  const search = { experiment_ids: [experimentId], order_by: ["attributes.start_time DESC"], max_results: 1 };
  const { runs } = await call(connection, "POST", `${REST}/runs/search`, search, SearchAnswer);
  return runs[0] && remoteRun(runs[0]);
}

/** Sets status and, with it, the time of the end (milliseconds since 1970). May be repeated. */
export async function updateRun(connection: Connection, runId: string, change: { status: RunStatus; endTime?: number }): Promise<void> {
  await call(connection, "POST", `${REST}/runs/update`, { run_id: runId, status: change.status, end_time: change.endTime }, v.unknown());
}

/** Deletes a run; its experiment keeps it, out of sight, until `mlflow gc`. May be repeated. */
export async function deleteRun(connection: Connection, runId: string): Promise<void> {
  await call(connection, "POST", `${REST}/runs/delete`, { run_id: runId }, v.unknown());
}

/** Brings back a run that was deleted on the server. May be repeated. */
export async function restoreRun(connection: Connection, runId: string): Promise<void> {
  await call(connection, "POST", `${REST}/runs/restore`, { run_id: runId }, v.unknown());
}

/**
 * Other active runs of the experiment that a try of `ensureRun` made which arrived after it was given up. They carry our id, began when ours did, and nobody told them
 * anything since: no other run is ever named here.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function findTwins(
  connection: Connection,
  experimentId: string,
  { cofferRunId, startTime, kept }: Pick<NewRun, "cofferRunId" | "startTime"> & { kept: string },
): Promise<RemoteRun[]> {
  const search = searchFor(experimentId, cofferRunId);
  const { runs } = await call(connection, "POST", `${REST}/runs/search`, search, SearchAnswer);
  const isAsMade = ({ status, startTime: began, tags, params, metricKeys, datasets, models }: RemoteRun): boolean =>
    status === "RUNNING" &&
    began === startTime &&
    [...tags.keys()].every((key) => key === RUN_TAG || key.startsWith("mlflow.")) &&
    params.size + metricKeys.length + datasets.length + models.length === 0;
  return runs.map(remoteRun).filter((run) => run.id !== kept && run.lifecycle === "active" && isAsMade(run));
}

/** The run that carries our id in this experiment, active or deleted; the earliest, should there be several. */
async function searchOnce(connection: Connection, experimentId: string, cofferRunId: string): Promise<RemoteRun | undefined> {
  const { runs } = await callOnce(connection, "POST", `${REST}/runs/search`, searchFor(experimentId, cofferRunId), SearchAnswer);
  // a live one before a deleted one
  const best = runs.find((run) => run.info.lifecycle_stage === "active") ?? runs[0];
  return best && remoteRun(best);
}

function searchFor(experimentId: string, cofferRunId: string) {
  // an escaped quote in a filter finds nothing and says 200, which would make a duplicate: only plain ids are ever asked for
  if (!/^[\w.:-]+$/.test(cofferRunId)) throw new Error(`not a run id: ${JSON.stringify(cofferRunId)}`);
  return {
    experiment_ids: [experimentId],
    filter: `tags.\`${RUN_TAG}\` = "${cofferRunId}"`,
    run_view_type: "ALL",
    order_by: ["attributes.start_time ASC"],
    max_results: 100,
  };
}

function remoteRun({ info, data, inputs, outputs }: v.InferOutput<typeof Run>): RemoteRun {
  return {
    id: info.run_id,
    experimentId: info.experiment_id,
    name: info.run_name,
    status: info.status,
    startTime: info.start_time,
    endTime: info.end_time,
    artifactUri: info.artifact_uri,
    lifecycle: info.lifecycle_stage,
    params: new Map(data?.params.map(({ key, value }) => [key, value])),
    tags: new Map(data?.tags.map(({ key, value }) => [key, value])),
    metricKeys: data?.metrics.map(({ key }) => key) ?? [],
    datasets: inputs?.dataset_inputs.map(({ dataset }) => dataset) ?? [],
    models: outputs?.model_outputs.map(({ model_id }) => model_id) ?? [],
  };
}
