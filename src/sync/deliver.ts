import * as outbox from "../db/outbox.ts";
import type { DeliveryRow } from "../db/outbox.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { CofferError } from "../domain/error.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import { connect, runPage } from "../mlflow/connection.ts";
import type { Environment } from "../mlflow/environment.ts";
import type { Store } from "../store/store.ts";
import { checkSynced } from "./check-synced.ts";
import { claimRun } from "./claim-run.ts";
import { deliverRun, recordFailure } from "./deliver-run.ts";
import type { RunResult } from "./deliver-run.ts";
import type { Delivering, Sync } from "./sync.ts";
import { newTally } from "./tally.ts";
import type { Progress, Tally } from "./tally.ts";

export interface DeliverOptions {
  /** The MLFLOW_* variables: credentials, limits, retries. */
  env: Environment;
  /** seqs; undefined is all runs. */
  runs?: ReadonlySet<number>;
  /** Uploads at once; by default the configuration's. */
  jobs?: number;
  /** A deadline or an interruption. */
  signal?: AbortSignal;
  skipArtifacts?: boolean;
  /** Looks first whether the server still has all that was synced. */
  check?: boolean;
  /** Told of each request that is repeated. */
  onRetry?: (words: string) => void;
  progress?: (progress: Progress) => void;
  /** A run is through, in the order of the report. */
  onRun?: (report: RunReport) => void;
  /** The server answered something useful. */
  onAnswer?: () => void;
}

export interface RunReport {
  run: string;
  /**
   * synced: read back whole; pending: not wholly there yet; refused: the server said no; busy: another process delivers it;
   * running: it has not ended; withheld: all but its files, which MLFLOW_SKIP_ARTIFACT_LOGGING holds back.
   */
  state: RunResult["state"] | "busy" | "running";
  experiment: string;
  remote_run: string | null;
  page: string | null;
  sent: { params: number; tags: number; metrics: number; files: number; bytes: number; how: Record<string, number> };
  notes: string[];
  error: { code: string; message: string; hint: string | null } | null;
}

export interface DeliveryReport {
  schema: "coffer.sync/1";
  target: string;
  runs: RunReport[];
  /** Runs that are on the server whole since this call. */
  synced: number;
  /** Synced runs that were looked at again (`check`). */
  checked: number;
  /** Runs that should be on the server and are not, wholly. */
  left: number;
  files: number;
  bytes: number;
  /** Why nothing more could be tried, where that is so. */
  stopped: string | null;
}

/**
 * Tells the server what it has not been told, oldest run first. Of a run that is synced nothing is asked and nothing sent.
 * Never throws for what the server does or fails to do: that is in the report, and in the database.
 * @throws CofferError NO_TRACKING_URI, CONFIG_INVALID, UNREADABLE
 */
export async function deliver(store: Store, options: DeliverOptions): Promise<DeliveryReport> {
  const sync = syncOf(store, options);
  const report: DeliveryReport = { schema: "coffer.sync/1", target: sync.target, runs: [], synced: 0, checked: 0, left: 0, files: 0, bytes: 0, stopped: null };
  const isWanted = (delivery: DeliveryRow): boolean => options.runs?.has(delivery.run) ?? true;
  const add = (one: RunReport): void => {
    report.runs.push(one);
    if (one.state === "synced") report.synced++;
    if (["pending", "refused", "busy"].includes(one.state)) report.left++;
    report.files += one.sent.files;
    report.bytes += one.sent.bytes;
    options.onRun?.(one);
  };
  try {
    if (options.check) {
      const { checked, refused } = await checkSynced(sync, outbox.syncedDeliveries(store.db, sync.target).filter(isWanted));
      report.checked = checked;
      for (const { one, result } of refused) add(reportOf(one, result));
    }
    const already = new Set(report.runs.map(({ run }) => run));
    const count = outbox.openDeliveries(store.db, sync.target).filter(isWanted).length;
    const families = new Set<number>();
    for (let nth = 1, delivery = outbox.nextOpen(store.db, sync.target, 0); delivery; delivery = outbox.nextOpen(store.db, sync.target, delivery.run)) {
      const run = runs.bySeq(store.db, delivery.run) as RunRow;
      // a nested run that was here before the one around it is told now whose child it is
      const isWantedToo = isWanted(delivery) || (run.parent !== null && families.has(run.parent));
      if (!isWantedToo || run.removed_at !== null || already.has(run.id)) continue;
      families.add(run.seq);
      const position = { nth: nth++, runs: Math.max(count, nth - 1) };
      const one: Delivering = { sync, run, delivery, tally: newTally((progress) => options.progress?.({ ...progress, ...position })) };
      const { result, stop } = await deliverOne(one);
      add(reportOf(one, result));
      if (!stop) continue;
      report.stopped = stop.message;
      report.left += rest(sync, run.seq, isWanted);
      break;
    }
  } catch (error) {
    // the check found nobody to ask
    if (!(error instanceof CofferError) || error.code !== "SERVER_UNREACHABLE") throw error;
    report.stopped = error.message;
    report.left = Math.max(report.left, 1);
  }
  return report;
}

function syncOf(store: Store, options: DeliverOptions): Sync {
  const { uri, jobs } = store.settings.values.tracking.mlflow;
  const connection = connect({
    uri,
    env: options.env,
    ...(options.signal && { signal: options.signal }),
    onRetry: ({ what, why, wait }) => options.onRetry?.(`${what}: ${why}; again in ${(wait / 1000).toFixed(1)} s`),
  });
  return {
    store,
    connection,
    target: trackingTarget(uri),
    experimentId: options.env["MLFLOW_EXPERIMENT_ID"] || undefined,
    jobs: options.jobs ?? jobs,
    skipArtifacts: options.skipArtifacts ?? false,
    experiments: new Map(),
    answered: () => options.onAnswer?.(),
  };
}

/** `stop`: what ends the whole call. */
async function deliverOne(one: Delivering): Promise<{ result: Outcome; stop?: CofferError }> {
  const { store } = one.sync;
  if (one.run.state === "running") return { result: { state: "running", error: undefined } };
  using claim = claimRun(store, one.run.seq);
  if (claim.holder) {
    const { pid, host } = claim.holder;
    return { result: { state: "busy", error: new CofferError("STORE_BUSY", `process ${pid} on ${host} is delivering this run`, { hint: "wait for it, then run `coffer sync-mlflow` again" }) } };
  }
  // what the process before us did is in the database by now
  one.delivery = outbox.bySeq(store.db, one.delivery.seq) as DeliveryRow;
  if (one.delivery.state === "synced") return { result: { state: "synced", error: undefined } };
  try {
    return { result: await deliverRun(one) };
  } catch (error) {
    const stop = asStop(error, one.sync);
    return { result: recordFailure(one, stop), stop };
  }
}

type Outcome = Omit<RunResult, "state"> & { state: RunReport["state"] };

/** An interruption leaves things as an outage does. @throws what is a bug */
function asStop(error: unknown, { connection: { signal, displayUri } }: Sync): CofferError {
  if (error instanceof CofferError) return error;
  if (signal?.aborted && error === signal.reason) return new CofferError("SERVER_UNREACHABLE", `${displayUri}: interrupted`, { hint: "run `coffer sync-mlflow` to deliver what is left", cause: error });
  throw error;
}

/** How many runs behind `after` were not tried. */
function rest({ store, target }: Sync, after: number, isWanted: (delivery: DeliveryRow) => boolean): number {
  return outbox.openDeliveries(store.db, target).filter((delivery) => {
    const run = runs.bySeq(store.db, delivery.run) as RunRow;
    return delivery.run > after && isWanted(delivery) && run.removed_at === null && run.state !== "running";
  }).length;
}

function reportOf({ sync, run, delivery, tally }: Delivering, { state, error }: Outcome): RunReport {
  const { remote_run, remote_experiment } = delivery;
  return {
    run: run.id,
    state,
    experiment: delivery.experiment,
    remote_run,
    page: remote_run === null || remote_experiment === null ? null : runPage(sync.connection, remote_experiment, remote_run),
    sent: sentOf(tally),
    notes: tally.notes,
    error: error ? { code: error.code, message: error.message, hint: error.hint ?? null } : null,
  };
}

function sentOf({ params, tags, metrics, files, bytes, how }: Tally): RunReport["sent"] {
  return { params, tags, metrics, files, bytes, how };
}
