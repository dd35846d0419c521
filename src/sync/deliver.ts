import { unflushedWhile } from "../db/open/open.ts";
import * as outbox from "../db/delivery/outbox.ts";
import type { DeliveryRow } from "../db/delivery/outbox.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError } from "../domain/error.ts";
import type { Who } from "../domain/process-identity.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { connect } from "../mlflow/http/connection.ts";
import type { Connection } from "../mlflow/http/connection.ts";
import type { Environment } from "../mlflow/http/environment.ts";
import type { Store } from "../store/store.ts";
import { checkSynced } from "./record/check-synced.ts";
import { claimRun, untilUnclaimed } from "./pending/claim-run.ts";
import { deliverRun, recordFailure } from "./deliver-run.ts";
import { experimentIdOf } from "./record/experiment-id.ts";
import { Patience } from "./patience.ts";
import type { Limits } from "./patience.ts";
import { addRun, newReport } from "./report.ts";
import type { DeliveryReport, Outcome, RunReport } from "./report.ts";
import { RouteMemory } from "./files/route-memory.ts";
import { sendLive } from "./send-live.ts";
import type { Delivering, RunSelection, Sync } from "./sync.ts";
import { newTally } from "./tally.ts";
import type { Progress, Tally } from "./tally.ts";
import { UploadRoom } from "./files/upload-room.ts";
import { workBehind, waitingRuns } from "./pending/waiting-runs.ts";

export interface DeliverOptions {
  /** The MLFLOW_* variables: credentials, limits, retries. */
  env: Environment;
  /** undefined is all runs. */
  runs?: RunSelection;
  /** Tells of runs that go on what is open in their outbox; otherwise they wait for their end. */
  live?: boolean;
  /** Waits for another process that delivers a run just now, instead of leaving it to that one. */
  awaitOthers?: boolean;
  /** Uploads at once; by default the configuration's. */
  jobs?: number;
  patience?: Limits;
  /** An interruption, or a deadline of the caller's. */
  signal?: AbortSignal;
  skipArtifacts?: boolean;
  /** Looks first whether the server still has all that was synced. */
  check?: boolean;
  /** bytes: each file is read back and hashed, those of synced runs as well; size, the default: looked for by path and size. */
  verify?: "size" | "bytes";
  /** Brings back runs and experiments that were deleted on the server, those of synced runs as well. */
  restore?: boolean;
  /** Told of each request that is repeated. */
  onRetry?: (words: string) => void;
  progress?: (progress: Progress) => void;
  /** A run is through, in the order of the report. */
  onRun?: (report: RunReport) => void;
}

/**
 * Tells the server what it has not been told, oldest run first. Of a run that is synced nothing is asked and nothing sent.
 * Never throws for what the server does or fails to do: that is in the report, and in the database.
 * @throws CofferError NO_TRACKING_URI, CONFIG_INVALID, UNREADABLE
 */
export async function deliver(store: Store, options: DeliverOptions): Promise<DeliveryReport> {
  using patience = new Patience(options.patience ?? {}, options.signal);
  const sync = syncOf(store, options, patience);
  const report = newReport(sync.target);
  const add = (one: Delivering, outcome: Outcome): void => {
    const added = addRun(report, one, outcome);
    options.onRun?.(added);
  };
  try {
    let notes: ReadonlyMap<number, string[]> = new Map();
    if (options.check || options.restore || options.verify === "bytes") {
      const synced = outbox.syncedDeliveries(store.db, sync.target).filter(({ run }) => options.runs?.has(run) ?? true);
      const looked = await checkSynced(sync, synced);
      report.checked = looked.checked;
      notes = looked.notes;
      for (const { one, result } of looked.told) add(one, result);
    }
    // what the machine takes down with it is found on the server again, or sent again
    await unflushedWhile(store.db, () => deliverOpen(sync, report, options, add, notes));
  } catch (error) {
    report.stopped = asStop(error, sync).message;
    report.left = Math.max(report.left, 1);
  }
  return report;
}

async function deliverOpen(
  sync: Sync,
  report: DeliveryReport,
  options: DeliverOptions,
  add: (one: Delivering, outcome: Outcome) => void,
  notes: ReadonlyMap<number, string[]>,
): Promise<void> {
  const { store, target } = sync;
  const tried = new Set(report.runs.map(({ run }) => run));
  const waiting = waitingRuns(sync, 0, options.runs);
  const later = workBehind(sync, waiting);
  const delivered = new Set<number>();
  for (let delivery = outbox.nextOpen(store.db, target, 0), nth = 1; delivery; delivery = outbox.nextOpen(store.db, target, delivery.run)) {
    const run = runs.bySeq(store.db, delivery.run) as RunRow;
    // a nested run that was here before the one around it is told now whose child it is
    const isChild = run.parent !== null && delivered.has(run.parent);
    const isWanted = isChild || (options.runs?.has(run.seq) ?? true);
    if (!isWanted || run.removed_at !== null || tried.has(run.id)) continue;
    if (sync.live && run.state === "running" && !outbox.isAnythingOpen(store.db, delivery.seq)) continue;
    delivered.add(run.seq);
    const position = { nth, runs: Math.max(waiting.length, nth), later: later(run.seq) };
    nth++;
    const tally = newTally((progress) => options.progress?.({ ...progress, ...position, goesOn: one.run.state === "running" }));
    const one: Delivering = { sync: countingRetries(sync, delivery.seq, tally), run, delivery, tally };
    one.tally.notes.push(...(notes.get(run.seq) ?? []));
    const { outcome, stop } = await (options.awaitOthers ? deliverAfterOthers(one) : deliverOne(one));
    add(one, outcome);
    if (!stop) continue;
    report.stopped = stop.message;
    report.left += waitingRuns(sync, run.seq, options.runs).length;
    return;
  }
}

/** @throws CofferError NO_TRACKING_URI, CONFIG_INVALID, UNREADABLE */
export function syncOf(store: Store, options: DeliverOptions, patience: Patience): Sync {
  const { uri, jobs } = store.settings.values.tracking.mlflow;
  const connection = connect({
    uri,
    env: options.env,
    signal: patience.signal,
    onRetry: ({ what, why, wait }) => options.onRetry?.(`${what}: ${why}; again in ${(wait / 1000).toFixed(1)} s`),
    onAnswer: () => patience.answered(),
  });
  return {
    store,
    connection,
    target: trackingTarget(uri),
    experimentId: experimentIdOf(store, options.env),
    experimentName: options.env["MLFLOW_EXPERIMENT_NAME"] || undefined,
    jobs: options.jobs ?? jobs,
    room: new UploadRoom(options.jobs ?? jobs),
    live: options.live ?? false,
    skipArtifacts: options.skipArtifacts ?? false,
    restore: options.restore ?? false,
    verifyBytes: options.verify === "bytes",
    verified: new Set(),
    experiments: new Map(),
    routes: new RouteMemory(options.env),
  };
}

/** The same, with each request that is sent again counted: in the report, and at once in the database. */
function countingRetries(sync: Sync, delivery: number, tally: Tally): Sync {
  const { store, connection } = sync;
  const onRetry: Connection["onRetry"] = (notice) => {
    tally.retried++;
    store.transaction(() => outbox.countRetries(store.db, delivery, 1));
    connection.onRetry?.(notice);
  };
  return { ...sync, connection: { ...connection, onRetry } };
}

interface Delivered {
  outcome: Outcome;
  /** What ends the whole call. */
  stop?: CofferError;
}

/** Whoever follows runs may take this one up again between our look and our claim. */
async function deliverAfterOthers(one: Delivering): Promise<Delivered> {
  const { store, connection } = one.sync;
  for (;;) {
    await untilUnclaimed(store, one.run.seq, connection.signal);
    const delivered = await deliverOne(one);
    if (delivered.outcome.state !== "busy" || connection.signal?.aborted) return delivered;
  }
}

async function deliverOne(one: Delivering): Promise<Delivered> {
  const { store } = one.sync;
  if (one.run.state === "running" && !one.sync.live) return { outcome: { state: "running", error: undefined } };
  using claim = claimRun(store, one.run.seq);
  if (claim.holder) return { outcome: { state: "busy", error: busy(claim.holder) } };
  syncPoint("sync.claimed");
  // what the process before us did is in the database by now
  one.delivery = outbox.bySeq(store.db, one.delivery.seq) as DeliveryRow;
  if (one.delivery.state === "synced") return { outcome: { state: "synced", error: undefined, elsewhere: true } };
  // it may have ended since: what is in the outbox by now tells
  one.run = runs.bySeq(store.db, one.run.seq) as RunRow;
  try {
    if (one.run.state === "running") return { outcome: { state: "running", ...(await sendLive(one)) } };
    // it ended a moment ago, and its end is not in the outbox yet: whoever asks next puts it there (`enqueueMissing`)
    if (!outbox.entryOf(store.db, one.delivery.seq, "end")) return { outcome: { state: "running", error: undefined } };
    return { outcome: await deliverRun(one) };
  } catch (error) {
    const stop = asStop(error, one.sync);
    const failed = recordFailure(one, stop);
    return { outcome: one.run.state === "running" ? { state: "running", error: stop } : failed, stop };
  }
}

function busy({ pid, host }: Who): CofferError {
  return new CofferError("STORE_BUSY", `process ${pid} on ${host} is delivering this run`, {
    hint: "it sends all that is there by then",
  });
}

/** An interruption leaves things as an outage does. @throws what is a bug */
function asStop(error: unknown, { connection: { signal, displayUri } }: Sync): CofferError {
  if (error instanceof CofferError) return error;
  if (signal?.aborted && error === signal.reason)
    return new CofferError("SERVER_UNREACHABLE", `${displayUri}: interrupted`, {
      hint: "nothing is lost",
      cause: error,
    });
  throw error;
}
