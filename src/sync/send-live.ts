import * as metrics from "../db/records/metrics.ts";
import * as outbox from "../db/delivery/outbox.ts";
import type { DeliveryRow } from "../db/delivery/outbox.ts";
import type { CofferError } from "../domain/error.ts";
import { recordFailure, sendOpen } from "./deliver-run.ts";
import { saysOf } from "./record/says.ts";
import type { Delivering } from "./sync.ts";

/**
 * Tells the server of a run that goes on, whose sync lease the caller holds: what is open in its outbox, each step settled as it happens. It is neither ended nor
 * read back: that comes once it has ended. Returns the first step's error that concerns this step alone.
 * @throws CofferError SERVER_UNREACHABLE
 */
export async function sendLive(one: Delivering): Promise<{ error: CofferError | undefined }> {
  const { store } = one.sync;
  const { seq, tries, last_error } = one.delivery;
  store.transaction(() => {
    outbox.updateDelivery(store.db, seq, { tries: tries + 1 });
    // after a failure the run is looked up: it may be deleted there, or gone with a server that was away
    if (last_error !== null) outbox.enqueue(store.db, seq, "run");
  });
  const before = saysOf(store, one.run.seq);
  const error = await sendOpen(one, tries > 0, new Map());
  store.transaction(() => {
    // what came in while a step was under way must not be taken for told: its wrapper may have enqueued it, and ended, before the step was settled
    const now = saysOf(store, one.run.seq);
    for (const step of ["params", "tags"] as const) if (now[step] !== before[step]) outbox.enqueue(store.db, seq, step);
    const { metrics_sent } = outbox.bySeq(store.db, seq) as DeliveryRow;
    if (metrics.last(store.db, one.run.seq) > metrics_sent) outbox.enqueue(store.db, seq, "metrics");
    if (!error) outbox.updateDelivery(store.db, seq, { state: "pending", last_error: null, updated_at: store.now() });
  });
  if (error) recordFailure(one, error);
  return { error };
}
