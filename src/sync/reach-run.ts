import * as outbox from "../db/outbox.ts";
import type { DeliveryRow, OutboxRow } from "../db/outbox.ts";
import type { RunRow } from "../db/runs.ts";
import { displayUrl } from "../domain/secret.ts";
import { ensureExperiment, getExperiment } from "../mlflow/experiments.ts";
import type { Experiment } from "../mlflow/experiments.ts";
import { ServerRefusal } from "../mlflow/refusal.ts";
import { ensureRun, getRun } from "../mlflow/runs.ts";
import type { RemoteRun } from "../mlflow/runs.ts";
import type { Delivering, Sync } from "./sync.ts";

/** Where runs go that nobody named an experiment for. */
const NOBODY_SAID = "Default";

/**
 * Settles the step `run`: the run on the server is found or made, and its ids are kept. One that is deleted there is not made again.
 * @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function reachRun(one: Delivering, entry: OutboxRow): Promise<RemoteRun> {
  const { sync, delivery, run } = one;
  const given = isGiven(delivery, entry);
  const known = delivery.remote_run === null ? undefined : await lookUp(one, delivery.remote_run, given);
  const remote = known ?? (await ensureRun(sync.connection, await newRun(one)));
  if (remote.lifecycle === "deleted")
    throw new ServerRefusal(`MLflow's run ${remote.id} is deleted on the server`, {
      status: 0,
      hint: `bring it back with \`mlflow runs restore --run-id ${remote.id}\`, or leave it; coffer makes no second one`,
    });
  const { store, target } = sync;
  store.transaction(() => {
    outbox.updateDelivery(store.db, delivery.seq, {
      remote_experiment: remote.experimentId,
      remote_run: remote.id,
      artifact_uri: remote.artifactUri,
    });
    outbox.settle(store.db, entry.seq, store.now(), { how: given ? "given" : "made" });
    // a nested run ends before the one around it: only now can it be told whose child it is
    if (!known)
      for (const child of outbox.ofChildren(store.db, run.seq, target)) {
        outbox.enqueue(store.db, child.seq, "tags");
        outbox.updateDelivery(store.db, child.seq, { state: "pending" });
      }
  });
  one.delivery = outbox.bySeq(store.db, delivery.seq) as DeliveryRow;
  return remote;
}

/** Somebody else made the run (MLFLOW_RUN_ID): it is neither made, named nor ended here. */
export function isGiven(delivery: DeliveryRow, entry: OutboxRow): boolean {
  return entry.how === "given" || (delivery.remote_run !== null && delivery.artifact_uri === null);
}

/** MLflow's id of the run around this one, where this server has it. */
export function parentTag({ sync: { store, target }, run }: Delivering): { key: string; value: string }[] {
  const parent = run.parent === null ? null : outbox.deliveryOf(store.db, run.parent, target);
  return parent?.remote_run ? [{ key: "mlflow.parentRunId", value: parent.remote_run }] : [];
}

/** undefined where the server has lost a run that we had made: a new database behind the old address, or `mlflow gc`. */
async function lookUp(
  { sync: { connection, store }, delivery, tally }: Delivering,
  id: string,
  given: boolean,
): Promise<RemoteRun | undefined> {
  try {
    return await getRun(connection, id);
  } catch (error) {
    if (!(error instanceof ServerRefusal) || error.errorCode !== "RESOURCE_DOES_NOT_EXIST") throw error;
    if (given)
      throw new ServerRefusal(`${connection.displayUri} has no run ${id}`, {
        status: error.status,
        errorCode: error.errorCode,
        hint: "the run that MLFLOW_RUN_ID named is gone; what was logged stays in the store",
        cause: error,
      });
    store.transaction(() => outbox.reopenAll(store.db, delivery.seq, "the server no longer has the run"));
    tally.notes.push(`the server no longer has MLflow's run ${id}: it is made anew`);
    return undefined;
  }
}

async function newRun(one: Delivering) {
  const { sync, run, delivery } = one;
  const { experiment, name } = await experimentOf(sync, delivery.experiment);
  if (name !== delivery.experiment) sync.store.transaction(() => outbox.updateDelivery(sync.store.db, delivery.seq, { experiment: name }));
  return {
    experimentId: experiment,
    cofferRunId: run.id,
    name: run.name ?? run.id,
    user: run.user ?? "",
    startTime: run.started_at,
    tags: [...sourceTags(run), ...parentTag(one)],
  };
}

async function experimentOf(sync: Sync, name: string): Promise<{ experiment: string; name: string }> {
  const { experiments, connection, experimentId } = sync;
  const byId = name === NOBODY_SAID && experimentId !== undefined;
  const key = byId ? `id ${experimentId}` : `name ${name}`;
  const asked = experiments.get(key) ?? (byId ? experimentWithId(sync, experimentId) : ensureExperiment(connection, name));
  experiments.set(key, asked);
  try {
    const found = await asked;
    sync.answered();
    return { experiment: found.id, name: found.name };
  } catch (error) {
    // what may pass is asked again with the next run; a refusal stays one
    if (!(error instanceof ServerRefusal)) experiments.delete(key);
    throw error;
  }
}

async function experimentWithId({ connection }: Sync, id: string): Promise<Experiment> {
  const found = await getExperiment(connection, id);
  if (found?.lifecycle === "active") return found;
  throw new ServerRefusal(`${connection.displayUri} has no experiment ${id}${found ? " (it is deleted)" : ""}`, {
    status: 0,
    hint: "correct MLFLOW_EXPERIMENT_ID, or set MLFLOW_EXPERIMENT_NAME instead",
  });
}

/** What the page of a run shows of where it came from. */
function sourceTags(run: RunRow): { key: string; value: string }[] {
  const words = run.command === null ? [] : (JSON.parse(run.command) as string[]);
  const tags: [string, string | null][] = [
    ["mlflow.source.name", words.length > 0 ? words.join(" ") : `coffer ${run.kind}`],
    ["mlflow.source.type", "LOCAL"],
    ["mlflow.source.git.commit", run.code_commit],
    ["mlflow.source.git.branch", run.code_branch],
    ["mlflow.source.git.repoURL", run.code_remote === null ? null : displayUrl(run.code_remote)],
    ["mlflow.note.content", run.note],
  ];
  return tags.flatMap(([key, value]) => (value === null || value === "" ? [] : [{ key, value }]));
}
