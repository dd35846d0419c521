import type { RunRow } from "../db/runs.ts";
import { CofferError, reason } from "../domain/error.ts";
import { formatBytes, formatDuration } from "../domain/quantity.ts";
import type { Environment } from "../mlflow/environment.ts";
import type { Store } from "../store/store.ts";
import { deliver } from "./deliver.ts";
import type { DeliverOptions } from "./deliver.ts";
import type { DeliveryReport } from "./report.ts";
import { skipsArtifacts } from "../mlflow/environment.ts";

export interface AfterRun {
  /** after: as long as it is quick; required: all of it, however long it takes, unless `hurried`. */
  sync: "after" | "required";
  env: Environment;
  say: { info(words: string): void; warn(words: string): void };
  /** Milliseconds since 1970. */
  now(): number;
  /** Ends the waiting; what is left stays in the outbox. */
  signal?: AbortSignal;
  /** Somebody asked coffer to end: a server that does not answer at once is not waited for. */
  hurried?: boolean;
  progress?: DeliverOptions["progress"];
}

/** Nobody waits longer for a server at the end of a run. */
const PATIENCE = { untilAnswer: 5_000, inAll: 30_000 };
const HURRIED = { untilAnswer: 1_000, inAll: 10_000 };
/** A delivery that takes longer than this says that it is under way. */
const QUIET_MS = 2_000;

/** Delivers a run that has just ended. Never throws: tracking may not cost the run. Returns how many runs are left undelivered, 0 or 1. */
export async function deliverAfterRun(
  store: Store,
  run: RunRow,
  { sync, env, say, now, signal, hurried = false, progress }: AfterRun,
): Promise<number> {
  const began = now();
  const patience = hurried ? HURRIED : sync === "after" ? PATIENCE : undefined;
  const slow = setTimeout(
    () => say.info(`delivering run ${run.id} to MLflow${patience ? `, for at most ${patience.inAll / 1000} s` : ""} …`),
    QUIET_MS,
  );
  try {
    const skipArtifacts = skipsArtifacts(env);
    const report = await deliver(store, {
      env,
      runs: new Set([run.seq]),
      // somebody who watches the run may be at it, and is done in a moment
      awaitOthers: true,
      skipArtifacts,
      patience: patience ?? {},
      onRetry: (words) => sync === "required" && say.info(words),
      ...(signal && { signal }),
      ...(progress && { progress }),
    });
    return tell(report, say, now() - began);
  } catch (error) {
    say.warn(`not delivered to MLflow: ${reason(error)}`);
    if (error instanceof CofferError && error.hint) say.info(error.hint);
    return 1;
  } finally {
    clearTimeout(slow);
  }
}

function tell(report: DeliveryReport, say: AfterRun["say"], took: number): number {
  for (const { state, page, sent, notes, error } of report.runs) {
    for (const note of notes) say.warn(note);
    if (state === "synced")
      say.info(
        `delivered to ${page} (${sent.files === 1 ? "one file" : `${sent.files} files`}, ${formatBytes(sent.bytes)}, ${formatDuration(took)})`,
      );
    else if (state === "withheld") say.info(`delivered to ${page}, without files: MLFLOW_SKIP_ARTIFACT_LOGGING is set`);
    else if (error) {
      say.warn(`not delivered to MLflow yet: ${error.message}`);
      say.info(`${error.hint ? `${error.hint}; ` : ""}coffer sync-mlflow sends what is left`);
    }
  }
  return report.left;
}
