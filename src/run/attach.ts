import * as outbox from "../db/delivery/outbox.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError, reason } from "../domain/error.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import { ServerRefusal } from "../mlflow/http/refusal.ts";
import { enqueueRun } from "../registry/enqueue.ts";
import type { Store } from "../store/store.ts";
import { attachRun, detachRun } from "../sync/attach-run.ts";
import type { Begun } from "./begin.ts";
import type { CodeState } from "./code/code-state.ts";
import { recordedCircumstances } from "./recorded-circumstances.ts";
import { requireOpen } from "./require-open.ts";
import type { RunRequest, Wrapper } from "./run.ts";
import { codeColumns } from "./settle.ts";

export interface Attachment {
  /** What MLflow's own client needs to log to this run: for the command's environment. */
  variables: Record<string, string>;
  /** The server could not be reached: the command runs without. */
  away: boolean;
  /** Takes back what was made, because the command could not be started. */
  undo(): Promise<void>;
}

/** A wait that takes longer than this is said, in milliseconds. */
const QUIET_MS = 1_000;

/**
 * Makes the run's counterpart on the MLflow server before the command begins. With MLFLOW_RUN_ID from outside, that one is it.
 * A server that is away, or refuses, costs five seconds at most and a warning: the command runs without, and what coffer knows is delivered later.
 */
export async function attach(
  store: Store,
  begun: Begun,
  request: RunRequest,
  { signals, say }: Wrapper,
  code: CodeState,
): Promise<Attachment | undefined> {
  const { env } = request;
  const { uri } = store.settings.values.tracking.mlflow;
  if (uri === "") {
    say.warn("not attached: no MLflow server is configured (MLFLOW_TRACKING_URI)");
    return undefined;
  }
  const given = givenRun(store, begun.run, env);
  const { run, delivery } = reserve(store, begun, request, code, given);
  const slow = setTimeout(() => say.info(`waiting for ${trackingTarget(uri)}, for at most 5 s …`), QUIET_MS);
  try {
    const { remoteRun, experimentId, experiment, page, notes } = await attachRun(store, run, delivery, { env, signal: signals.early });
    for (const note of notes) say.warn(note);
    say.info(`attached to ${page}`);
    return {
      variables: {
        MLFLOW_TRACKING_URI: uri.trim(),
        MLFLOW_RUN_ID: remoteRun,
        MLFLOW_EXPERIMENT_ID: experimentId,
        // its client refuses an id and a name that disagree
        MLFLOW_EXPERIMENT_NAME: experiment,
      },
      away: false,
      async undo() {
        if (given !== undefined) return;
        try {
          await detachRun(store, remoteRun, { env });
        } catch (error) {
          say.warn(`MLflow's run ${remoteRun} was made, and stays: ${reason(error)}`);
        }
      },
    };
  } catch (error) {
    // with MLFLOW_RUN_ID the command knows its run without us
    if (given === undefined || error instanceof ServerRefusal) store.transaction(() => withdraw(store, delivery));
    say.warn(`not attached, the command runs without: ${reason(error)}`);
    if (error instanceof CofferError && error.hint) say.info(error.hint);
    const away = error instanceof CofferError && error.code === "SERVER_UNREACHABLE";
    return { variables: {}, away, undo: () => Promise.resolve() };
  } finally {
    clearTimeout(slow);
  }
}

/** The MLflow run that somebody around us named. That of a run around this one is its parent, and no place for it. */
function givenRun(store: Store, run: RunRow, env: RunRequest["env"]): string | undefined {
  const given = env["MLFLOW_RUN_ID"];
  if (!given) return undefined;
  for (let seq = run.parent; seq !== null; seq = runs.bySeq(store.db, seq)?.parent ?? null)
    if (outbox.deliveriesOf(store.db, seq).some(({ remote_run }) => remote_run === given)) return undefined;
  return given;
}

/** As if nobody had attached, but for a request that may still arrive: whoever delivers the run knows of it. */
function withdraw({ db }: Store, delivery: number): void {
  if (outbox.bySeq(db, delivery)?.late_runs === 0) outbox.removeDelivery(db, delivery);
  else outbox.updateDelivery(db, delivery, { attached: 0 });
}

/** On the disk before the server is asked: whoever comes after a crash finds the run there by its tag, and ends it. */
function reserve(
  store: Store,
  begun: Begun,
  request: RunRequest,
  code: CodeState,
  remoteRun: string | undefined,
): { run: RunRow; delivery: number } {
  const { seq } = begun.run;
  return store.transaction(() => {
    requireOpen(store, begun);
    // the page shows them from the beginning
    runs.update(store.db, seq, { ...recordedCircumstances(store, request.env, request), ...codeColumns(code) });
    const run = runs.bySeq(store.db, seq) as RunRow;
    const delivery = enqueueRun(store, run, { asked: true, remoteRun }) as number;
    outbox.updateDelivery(store.db, delivery, { attached: 1 });
    return { run, delivery };
  });
}
