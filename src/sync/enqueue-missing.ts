import * as outbox from "../db/outbox.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import type { Store } from "../store/store.ts";

/**
 * Puts ended runs into the outbox that this server was never to be told of, because its URI was set later. Imported runs and those that `rm`
 * took out of sight stay out. `only` (seqs of runs) narrows it. Returns the number of runs.
 */
export function enqueueMissing(store: Store, enqueue: (run: RunRow) => void, only?: ReadonlySet<number>): number {
  const missing = outbox
    .undelivered(store.db, trackingTarget(store.settings.values.tracking.mlflow.uri))
    .filter((run) => only?.has(run) ?? true);
  if (missing.length > 0) store.transaction(() => missing.forEach((seq) => enqueue(runs.bySeq(store.db, seq) as RunRow)));
  return missing.length;
}
