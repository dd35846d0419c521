import * as journal from "../../db/records/journal.ts";
import * as leases from "../../db/bytes/leases.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { hasTaken } from "../../db/delivery/waiting-servers.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import { leaseState } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";

/**
 * Takes runs out of the outbox of the configured server again, where that never took anything of ours: a mistyped address would keep them from gc for ever. What may
 * have been made there all the same stays, and what another process is sending. Returns how many were taken back; the next `sync-mlflow` would put them in once more.
 */
export function takeBack(store: Store, seqs: readonly number[]): number {
  const target = trackingTarget(store.settings.values.tracking.mlflow.uri);
  return store.transaction(() => {
    return hasTaken(store.db, target) ? 0 : seqs.filter((run) => takeBackOne(store, run, target)).length;
  });
}

function takeBackOne(store: Store, run: number, target: string): boolean {
  const delivery = outbox.deliveryOf(store.db, run, target);
  if (!delivery || (delivery.state !== "pending" && delivery.state !== "refused")) return false;
  // a request whose outcome nobody knows may have made the run
  if (delivery.attached === 1 || delivery.late_runs > 0) return false;
  const syncing = leases.ofRun(store.db, run, "sync");
  if (syncing && leaseState(syncing, store.now()) !== "dead") return false;
  outbox.removeDelivery(store.db, delivery.seq);
  journal.append(store.db, { at: store.now(), did: "undeliver", run: (runs.bySeq(store.db, run) as RunRow).id, target });
  return true;
}
