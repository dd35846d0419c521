import * as outbox from "../db/delivery/outbox.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError, reason } from "../domain/error.ts";
import { formatBytes, formatDuration } from "../domain/quantity.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import { connect, runPage } from "../mlflow/http/connection.ts";
import type { Environment } from "../mlflow/http/environment.ts";
import type { Store } from "../store/store.ts";
import { deliver } from "./deliver.ts";
import type { DeliverOptions } from "./deliver.ts";
import { AWAY_MS } from "./patience.ts";
import type { Limits } from "./patience.ts";
import type { DeliveryReport } from "./report.ts";
import { skipsArtifacts } from "../mlflow/http/environment.ts";

export interface AfterRun {
  /** after: as long as it is quick; required: all of it, however long that takes once the server has answered, unless `hurried`. */
  sync: "after" | "required";
  env: Environment;
  say: { info(words: string): void; warn(words: string): void };
  /** Milliseconds since 1970. */
  now(): number;
  /** Ends the waiting; what is left stays in the outbox. */
  signal?: AbortSignal;
  /** Somebody asked coffer to end: a server that does not answer at once is not waited for. */
  hurried?: boolean;
  /** It could not be reached when the run began: unless all is `required`, one short try is made. */
  away?: boolean;
  progress?: DeliverOptions["progress"];
}

/** Nobody waits longer for a server at the end of a run. */
const PATIENCE: Limits = { untilAnswer: 5_000, inAll: 30_000 };
const AWAY: Limits = { untilAnswer: 1_000, inAll: 30_000 };
const HURRIED: Limits = { untilAnswer: 1_000, inAll: 10_000 };
const REQUIRED: Limits = { untilAnswer: AWAY_MS };
/** A delivery that takes longer than this says that it is under way. */
const QUIET_MS = 2_000;

/** Delivers a run that has just ended. Never throws: tracking may not cost the run. Returns how many runs are left undelivered, 0 or 1. */
export async function deliverAfterRun(
  store: Store,
  run: RunRow,
  { sync, env, say, now, signal, hurried = false, away = false, progress }: AfterRun,
): Promise<number> {
  const began = now();
  const patience = hurried ? HURRIED : sync === "required" ? REQUIRED : away ? AWAY : PATIENCE;
  const slow = setTimeout(() => say.info(`delivering run ${run.id} to MLflow: ${inWords(patience)} …`), QUIET_MS);
  try {
    const skipArtifacts = skipsArtifacts(env);
    const report = await deliver(store, {
      env,
      runs: new Set([run.seq]),
      // somebody who watches the run may be at it, and is done in a moment
      awaitOthers: true,
      skipArtifacts,
      patience,
      onRetry: (words) => sync === "required" && say.info(words),
      ...(signal && { signal }),
      ...(progress && { progress }),
    });
    if (report.runs.length === 0) tellElsewhere(store, run, env, say);
    return tell(report, say, now() - began, skipArtifacts);
  } catch (error) {
    say.warn(`not delivered to MLflow: ${reason(error)}`);
    if (error instanceof CofferError && error.hint) say.info(error.hint);
    return 1;
  } finally {
    clearTimeout(slow);
  }
}

function tell(report: DeliveryReport, say: AfterRun["say"], took: number, skipArtifacts: boolean): number {
  for (const { state, elsewhere, page, sent, notes, error } of report.runs) {
    for (const note of notes) say.warn(note);
    if (elsewhere) say.info(elsewhereWords(page));
    else if (state === "withheld" || (state === "synced" && skipArtifacts))
      say.info(`delivered to ${page}, without files: MLFLOW_SKIP_ARTIFACT_LOGGING is set`);
    else if (state === "synced")
      say.info(
        `delivered to ${page} (${sent.files === 1 ? "one file" : `${sent.files} files`}, ${formatBytes(sent.bytes)}, ${formatDuration(took)})`,
      );
    else if (state === "busy") say.info(`not delivered by this call: ${error?.message}`);
    else if (error) {
      say.warn(`not delivered to MLflow yet: ${error.message}`);
      say.info(`${error.hint ? `${error.hint}${error.hint.endsWith("?") ? " " : "; "}` : ""}coffer sync-mlflow sends what is left`);
    }
  }
  return report.left;
}

/** Whoever follows runs may have delivered it before we looked: then nothing was open. */
function tellElsewhere({ db, settings }: Store, { seq }: RunRow, env: Environment, say: AfterRun["say"]): void {
  const { uri } = settings.values.tracking.mlflow;
  const delivery = outbox.deliveryOf(db, seq, trackingTarget(uri));
  if (delivery?.state !== "synced" || delivery.remote_run === null || delivery.remote_experiment === null) return;
  say.info(elsewhereWords(runPage(connect({ uri, env }), delivery.remote_experiment, delivery.remote_run)));
}

function elsewhereWords(page: string | null): string {
  return `delivered to ${page} already, by whoever follows this run`;
}

function inWords({ untilAnswer = 0, inAll }: Limits): string {
  return `${untilAnswer / 1000} s for its first answer${inAll === undefined ? "" : `, ${inAll / 1000} s in all`}`;
}
