import * as v from "valibot";
import * as outbox from "../../db/delivery/outbox.ts";
import type { DeliveryRow, OutboxRow } from "../../db/delivery/outbox.ts";
import { activeAgain, ensureExperiment, findExperiment, getExperiment, MAX_EXPERIMENT_NAME } from "../../mlflow/tracking/experiments.ts";
import type { Experiment } from "../../mlflow/tracking/experiments.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { RunId } from "../../mlflow/tracking/remote-id.ts";
import { cleanText, prepareTag } from "../../mlflow/tracking/log-values.ts";
import { ensureRun, fitRunName, fitUser, getRun } from "../../mlflow/tracking/runs.ts";
import type { RemoteRun } from "../../mlflow/tracking/runs.ts";
import { chooseExperiment, noSuchExperiment, twoExperiments } from "./choose-experiment.ts";
import { revive, tellExperimentRestored } from "./revive.ts";
import { noteTag, parentTag, sourceTags } from "./run-tags.ts";
import type { Delivering, Sync } from "../sync.ts";
import { noteOf, tell } from "../tell.ts";
import { syncPoint } from "../../domain/sync-point.ts";

/**
 * Settles the step `run`: the run on the server is found or made, and its ids are kept. One that is deleted there is brought back, or refused, and never made again.
 * @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function reachRun(one: Delivering, entry: OutboxRow): Promise<RemoteRun> {
  const { sync, delivery, run } = one;
  const { store, target } = sync;
  const own = standingOf(delivery, entry);
  const kept = delivery.remote_run === null ? undefined : await lookUp(one, delivery.remote_run, own.given);
  const bound = kept ? undefined : await findBound(one);
  const known = kept ?? bound?.remote;
  const { given } = bound ?? own;
  // on the disk before the request goes out: whoever comes after us, if we are killed or give up, knows that it may still arrive
  const asks = (): void => {
    store.transaction(() => outbox.countLate(store.db, delivery.seq, "runs", 1));
    syncPoint("sync.run-asked");
  };
  const remote = await revive(one, known ?? (await ensureRun(sync.connection, await newRun(one), asks)));
  if (!known) syncPoint("sync.run-made");
  store.transaction(() => {
    if (!known) outbox.countLate(store.db, delivery.seq, "runs", -1);
    outbox.updateDelivery(store.db, delivery.seq, {
      remote_experiment: remote.experimentId,
      remote_run: remote.id,
      artifact_uri: remote.artifactUri,
      // whoever attaches just now writes that down meanwhile
      ...(bound?.attached && { attached: 1 }),
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

/** Who else has to do with a run on the server. */
export interface Standing {
  /** The command was told of it (`--attach`). */
  attached: boolean;
  /** Somebody else made it (MLFLOW_RUN_ID): it is neither made, named nor ended here. */
  given: boolean;
  /** Either: a script logs to it as well, by itself. What lies there need not be ours, and nothing that the script could write into may be. */
  alongside: boolean;
}

/** `entry`: of the step `run`. */
export function standingOf(delivery: DeliveryRow, entry: OutboxRow | null): Standing {
  const attached = delivery.attached === 1;
  const given = entry?.how === "given" || (delivery.remote_run !== null && delivery.artifact_uri === null);
  return { attached, given, alongside: attached || given };
}

/**
 * A run that a script logs to as well is on one server, whatever name that is given: an id that another delivery knows, and that is known here, is no second server's.
 */
async function findBound({ sync, delivery, run }: Delivering): Promise<(Standing & { remote: RemoteRun }) | undefined> {
  const { connection, store } = sync;
  for (const other of outbox.deliveriesOf(store.db, run.seq)) {
    const standing = standingOf(other, outbox.entryOf(store.db, other.seq, "run"));
    if (other.seq === delivery.seq || other.remote_run === null || !standing.alongside) continue;
    try {
      return { ...standing, remote: await getRun(connection, other.remote_run) };
    } catch (error) {
      if (!isGone(error, other.remote_run)) throw error;
    }
  }
  return undefined;
}

/** Whether a server that was asked for a run has none of this id, or can have none. */
export function isGone(error: unknown, id: string): boolean {
  if (!(error instanceof ServerRefusal)) return false;
  return error.errorCode === "RESOURCE_DOES_NOT_EXIST" || (error.errorCode === "INVALID_PARAMETER_VALUE" && !v.is(RunId, id));
}

/** undefined where the server has lost a run that we had made: a new database behind the old address, or `mlflow gc`. */
async function lookUp(one: Delivering, id: string, given: boolean): Promise<RemoteRun | undefined> {
  const { sync, delivery, tally } = one;
  const { connection, store } = sync;
  try {
    return await getRun(connection, id);
  } catch (error) {
    if (!(error instanceof ServerRefusal) || !isGone(error, id)) throw error;
    if (given)
      throw new ServerRefusal(`${connection.displayUri} has no run ${id}`, {
        status: error.status,
        errorCode: error.errorCode,
        hint: "the run that MLFLOW_RUN_ID named is gone; what was logged stays in the store",
        cause: error,
      });
    store.transaction(() => outbox.reopenAll(store.db, delivery.seq, "the server no longer has the run"));
    one.delivery = outbox.bySeq(store.db, delivery.seq) as DeliveryRow;
    tally.notes.push(`the server no longer has MLflow's run ${id}: it is made anew`);
    return undefined;
  }
}

async function newRun(one: Delivering) {
  const { sync, run, delivery } = one;
  const { experiment, name } = await experimentOf(one, delivery.experiment);
  if (name !== delivery.experiment) sync.store.transaction(() => outbox.updateDelivery(sync.store.db, delivery.seq, { experiment: name }));
  const user = run.user ?? "";
  const prepared = [...sourceTags(run), ...noteTag(one), ...parentTag(one)].map((tag) => prepareTag(tag));
  for (const change of prepared.flatMap(({ changes }) => changes)) tell(one, noteOf(change));
  return {
    experimentId: experiment,
    cofferRunId: run.id,
    name: fitting(one, "the run's name", run.name ?? run.id, fitRunName),
    user: fitting(one, "the run's user", user, fitUser),
    startTime: run.started_at,
    tags: prepared.map(({ value }) => value),
  };
}

/** What a server takes of a text; said where that is less. */
function fitting(one: Delivering, what: string, text: string, fit: (text: string) => string): string {
  const short = fit(text);
  if (short === text) return short;
  const left = [...short].length;
  const why =
    left < [...text].length
      ? `was cut to ${left} characters for the server`
      : "had characters that databases refuse; the server has it without them";
  tell(one, { kind: "truncated", message: `${what} ${why}` });
  return short;
}

async function experimentOf(one: Delivering, given: string): Promise<{ experiment: string; name: string }> {
  const { sync } = one;
  const { experiments } = sync;
  const choice = chooseExperiment(given, sync);
  const name = fitting(one, "the experiment's name", given, (text) => cleanText(text, MAX_EXPERIMENT_NAME));
  const key = choice.by === "id" ? `id ${choice.id}` : `name ${name}`;
  const asked =
    experiments.get(key) ?? (choice.by === "id" ? experimentWithId(sync, choice.id) : experimentWithName(sync, name, choice.id));
  experiments.set(key, asked);
  try {
    const found = await asked;
    if (found.restored) {
      tellExperimentRestored(one, found.name);
      // said once, not of each run that goes there
      experiments.set(key, Promise.resolve({ ...found, restored: false }));
    }
    return { experiment: found.id, name: found.name };
  } catch (error) {
    // what may pass is asked again with the next run; a refusal stays one
    if (!(error instanceof ServerRefusal)) experiments.delete(key);
    throw error;
  }
}

/** `id`: what it has to be; undefined where nobody said. */
async function experimentWithName({ connection, restore }: Sync, name: string, id: string | undefined): Promise<Experiment> {
  const found = id === undefined ? undefined : await findExperiment(connection, name);
  if (found && id !== undefined && found.id !== id) throw twoExperiments(name, id, found.id);
  return ensureExperiment(connection, name, restore);
}

async function experimentWithId({ connection, restore }: Sync, id: string): Promise<Experiment> {
  const found = await getExperiment(connection, id);
  if (found) return activeAgain(connection, found, restore);
  throw noSuchExperiment(connection.displayUri, id);
}
