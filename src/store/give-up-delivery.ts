import { journalDelivery } from "../db/delivery/delivery-snapshot.ts";
import { recordLater } from "../db/records/later-events.ts";
import * as leases from "../db/bytes/leases.ts";
import * as outbox from "../db/delivery/outbox.ts";
import { leaseState } from "./lease.ts";
import type { Store } from "./store.ts";

/**
 * Gives up what a server was not told of a run, inside a transaction. `word` is the command that somebody gave. Nothing changes where nothing of it is open, and
 * where a process is sending it just now.
 */
export function giveUpDelivery(store: Store, seq: number, word: string): "given up" | "not open" | "busy" {
  const delivery = outbox.bySeq(store.db, seq);
  if (!delivery || (delivery.state !== "pending" && delivery.state !== "refused")) return "not open";
  const syncing = leases.ofRun(store.db, delivery.run, "sync");
  if (syncing && leaseState(syncing, store.now()) !== "dead") return "busy";
  const at = store.now();
  outbox.updateDelivery(store.db, seq, { state: "forgotten", updated_at: at });
  journalDelivery(store.db, seq, at);
  recordLater(store.db, { at, run: delivery.run, kind: "deleted", message: `what ${delivery.target} was not told is given up (${word})` });
  return "given up";
}
