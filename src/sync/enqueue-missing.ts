import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import * as untold from "../db/untold.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import type { Store } from "../store/store.ts";
import type { RunSelection } from "./sync.ts";

/**
 * Puts ended runs into the outbox that this server was never to be told of, because its URI was set later; and the end of those that it was told of
 * only while they went on. Imported runs and those that `rm` took out of sight stay out. Returns the number of runs that are new to the server.
 */
export function enqueueMissing(store: Store, enqueue: (run: RunRow) => void, only?: RunSelection): number {
  const target = trackingTarget(store.settings.values.tracking.mlflow.uri);
  const wanted = (seq: number): boolean => only?.has(seq) ?? true;
  const missing = untold.undelivered(store.db, target).filter(wanted);
  const all = [...missing, ...untold.endUntold(store.db, target).filter(wanted)];
  if (all.length > 0) store.transaction(() => all.forEach((seq) => enqueue(runs.bySeq(store.db, seq) as RunRow)));
  return missing.length;
}
