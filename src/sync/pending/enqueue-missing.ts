import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import * as untold from "../../db/delivery/untold.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import type { Store } from "../../store/store.ts";
import type { RunSelection } from "../sync.ts";

/**
 * Puts ended runs into the outbox that this server was never to be told of, because its URI was set later; and the end of those that it was told of
 * only while they went on. Imported runs and those that `rm` took out of sight stay out. Returns the number of runs that are new to the server.
 */
export function enqueueMissing(store: Store, enqueue: (run: RunRow) => void, only?: RunSelection): number {
  const missing = missingRuns(store, only);
  const all = [...missing, ...untold.endUntold(store.db, targetOf(store)).filter((seq) => only?.has(seq) ?? true)];
  if (all.length > 0) store.transaction(() => all.forEach((seq) => enqueue(runs.bySeq(store.db, seq) as RunRow)));
  return missing.length;
}

/** seqs of the ended runs that the server was never to be told of. */
export function missingRuns(store: Store, only?: RunSelection): number[] {
  return untold.undelivered(store.db, targetOf(store)).filter((seq) => only?.has(seq) ?? true);
}

function targetOf(store: Store): string {
  return trackingTarget(store.settings.values.tracking.mlflow.uri);
}
