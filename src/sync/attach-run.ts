import * as outbox from "../db/delivery/outbox.ts";
import type { DeliveryRow, OutboxRow } from "../db/delivery/outbox.ts";
import type { RunRow } from "../db/records/runs.ts";
import { runPage } from "../mlflow/http/connection.ts";
import type { Environment } from "../mlflow/http/environment.ts";
import { getExperiment } from "../mlflow/tracking/experiments.ts";
import { deleteRun } from "../mlflow/tracking/runs.ts";
import type { Store } from "../store/store.ts";
import { claimRun } from "./pending/claim-run.ts";
import type { Claim } from "./pending/claim-run.ts";
import { syncOf } from "./deliver.ts";
import { Patience } from "./patience.ts";
import { reachRun, standingOf } from "./record/reach-run.ts";
import { checkTime } from "./sync.ts";
import type { Delivering, Sync } from "./sync.ts";
import { newTally } from "./tally.ts";

export interface Attached {
  /** MLflow's id of the run. */
  remoteRun: string;
  experimentId: string;
  experiment: string;
  /** Its address in MLflow's own interface. */
  page: string;
  /** What the server shows differently. */
  notes: string[];
}

interface AttachOptions {
  env: Environment;
  /** An interruption. */
  signal?: AbortSignal;
}

/** A command waits no longer than this for a server, in milliseconds. */
const PATIENCE = { inAll: 5_000 };
/** Repetitions where nobody listens: that is known at once, and whoever starts a command waits for it. */
const TIMES_UNHEARD = 1;
/** Seconds. */
const JITTER = 0.2;
const CLAIM_AGAIN_MS = 20;

/**
 * Finds or makes the run on the server before its command begins. `delivery` (a seq) is in the outbox already, so that a crash from here on makes no second run.
 * @throws CofferError NO_TRACKING_URI, CONFIG_INVALID, UNREADABLE, SERVER_REFUSED, SERVER_UNREACHABLE; the signal's reason
 */
export async function attachRun(store: Store, run: RunRow, delivery: number, { env, signal }: AttachOptions): Promise<Attached> {
  using patience = new Patience(PATIENCE, signal);
  const sync = hasty(syncOf(store, { env }, patience));
  using _ = await claimPatiently(sync, run);
  const one: Delivering = {
    sync,
    run,
    delivery: outbox.bySeq(store.db, delivery) as DeliveryRow,
    tally: newTally(() => undefined),
  };
  const { connection } = sync;
  const entry = outbox.entryOf(store.db, delivery, "run") as OutboxRow;
  const { given } = standingOf(one.delivery, entry);
  const remote = await reachRun(one, entry);
  // somebody else's may be in another one than the configured
  const experiment = given ? await getExperiment(connection, remote.experimentId) : undefined;
  return {
    remoteRun: remote.id,
    experimentId: remote.experimentId,
    experiment: experiment?.name ?? one.delivery.experiment,
    page: runPage(connection, remote.experimentId, remote.id),
    notes: one.tally.notes,
  };
}

function hasty(sync: Sync): Sync {
  const { retry } = sync.connection;
  return {
    ...sync,
    connection: {
      ...sync.connection,
      retry: { ...retry, timesUnheard: Math.min(TIMES_UNHEARD, retry.times), jitter: Math.min(JITTER, retry.jitter) },
    },
  };
}

/** Whoever follows runs (`--watch`) may have seen this one already, and makes it on the server: what it made is found then. */
async function claimPatiently(sync: Sync, run: RunRow): Promise<Claim> {
  for (;;) {
    const claim = claimRun(sync.store, run.seq);
    if (!claim.holder) return claim;
    checkTime(sync);
    await Bun.sleep(CLAIM_AGAIN_MS);
  }
}

/** The command never began, so there was no run: what was made for it goes. @throws what keeps it from that */
export async function detachRun(store: Store, remoteRun: string, { env, signal }: AttachOptions): Promise<void> {
  using patience = new Patience(PATIENCE, signal);
  await deleteRun(syncOf(store, { env }, patience).connection, remoteRun);
}
