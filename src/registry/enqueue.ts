import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import { journalDelivery } from "../db/delivery/delivery-snapshot.ts";
import * as outbox from "../db/delivery/outbox.ts";
import * as inputs from "../db/records/run-inputs.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import type { Store } from "../store/store.ts";

/**
 * Puts all that a run has to say into the outbox, in the transaction that wrote it: a settled step is told again, an artifact only once.
 * Without a tracking URI, or with `sync: never` unless `asked`, nothing is enqueued, but for a server where the run's command logs: it is told of
 * the end, whatever the configuration says by then. Returns the seq of the delivery to the configured server.
 */
export function enqueueRun(
  store: Store,
  run: RunRow,
  options: { asked?: boolean; skipArtifacts?: boolean; remoteRun?: string | undefined } = {},
): number | undefined {
  const { uri, experiment, sync } = store.settings.values.tracking.mlflow;
  const isTold = uri !== "" && (sync !== "never" || options.asked);
  const configured = isTold ? outbox.open(store.db, { run: run.seq, target: trackingTarget(uri), experiment, at: store.now() }) : undefined;
  if (configured !== undefined && options.remoteRun !== undefined)
    outbox.updateDelivery(store.db, configured, { remote_run: options.remoteRun });
  const attached = outbox.attachedTo(store.db, run.seq);
  for (const delivery of new Set([...(configured === undefined ? [] : [configured]), ...attached]))
    enqueueSteps(store, run, delivery, options.skipArtifacts ?? false);
  return configured;
}

function enqueueSteps(store: Store, run: RunRow, delivery: number, skipArtifacts: boolean): void {
  outbox.updateDelivery(store.db, delivery, { state: "pending" });
  for (const step of ["run", "params", "tags", "metrics"] as const) outbox.enqueue(store.db, delivery, step);
  if (inputs.ofRun(store.db, run.seq).length > 0) outbox.enqueue(store.db, delivery, "inputs");
  if (!skipArtifacts) {
    const telling = artifacts.ofRun(store.db, run.seq).filter(({ deliver }) => deliver === 1);
    for (const artifact of telling) outbox.enqueueArtifact(store.db, delivery, artifact.seq);
    if (telling.some(mayBeModel)) outbox.enqueue(store.db, delivery, "models");
  }
  if (run.state === "running") return;
  outbox.enqueue(store.db, delivery, "end");
  // one that is written down already may not be so again
  if (runs.bySeq(store.db, run.seq)?.manifest === "written") journalDelivery(store.db, delivery, store.now());
}

/** Whether a directory is one of MLflow's own models shows when its list is read. */
function mayBeModel({ type, kind }: ArtifactRow): boolean {
  return type === "model" || type === "meta_model" || kind === "tree";
}

/**
 * A run that was made for files which MLflow is not told of, and for nothing else: no later delivery makes an empty run of it there. What is logged to
 * it afterwards is enqueued as ever.
 */
export function keepToOurselves(store: Store, run: RunRow, remoteRun: string | undefined): void {
  const { uri, experiment } = store.settings.values.tracking.mlflow;
  if (uri === "") return;
  const delivery = outbox.open(store.db, { run: run.seq, target: trackingTarget(uri), experiment, at: store.now() });
  outbox.updateDelivery(store.db, delivery, {
    state: "forgotten",
    last_error: "it has nothing but files that are held back",
    ...(remoteRun !== undefined && { remote_run: remoteRun }),
  });
}
