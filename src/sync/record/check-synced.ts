import * as outbox from "../../db/delivery/outbox.ts";
import type { DeliveryRow, OutboxRow } from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { CofferError } from "../../domain/error.ts";
import { claimRun } from "../pending/claim-run.ts";
import { recordFailure, reopenMissing } from "../deliver-run.ts";
import type { RunResult } from "../deliver-run.ts";
import { dropTwins } from "./drop-twins.ts";
import { layOut } from "../files/lay-out.ts";
import { isGone, standingOf } from "./reach-run.ts";
import { readBack } from "./read-back.ts";
import type { Delivering, Sync } from "../sync.ts";
import { newTally } from "../tally.ts";

/**
 * Looks whether the server still has all of these runs, and opens again what it lacks; a run that it lost altogether is opened whole.
 * Returns how many it looked at; those whose state is to be told now: deleted on the server and brought back or not, or not to be read by this user; and what
 * there is to say of the others, by the seq of the run.
 * @throws CofferError SERVER_UNREACHABLE
 */
export async function checkSynced(
  sync: Sync,
  deliveries: readonly DeliveryRow[],
): Promise<{ checked: number; told: { one: Delivering; result: RunResult }[]; notes: Map<number, string[]> }> {
  const { store } = sync;
  let checked = 0;
  const told: { one: Delivering; result: RunResult }[] = [];
  const notes = new Map<number, string[]>();
  for (const delivery of deliveries) {
    const run = runs.bySeq(store.db, delivery.run) as RunRow;
    if (run.removed_at !== null) continue;
    using claim = claimRun(store, run.seq);
    if (claim.holder) continue;
    const one: Delivering = { sync, run, delivery, tally: newTally(() => undefined) };
    const entry = outbox.entryOf(store.db, delivery.seq, "run") as OutboxRow;
    const { given, alongside } = standingOf(delivery, entry);
    try {
      const layout = await layOut(store, delivery.seq, new Map());
      await dropTwins(one, layout, alongside);
      const words = reopenMissing(one, await readBack(one, layout, entry), false);
      checked++;
      if (words.length > 0) {
        reopen(one, words.join("; "));
        notes.set(run.seq, one.tally.notes);
      } else if (one.tally.notes.length > 0) told.push({ one, result: { state: "synced", error: undefined } });
    } catch (error) {
      if (!(error instanceof CofferError) || error.code === "SERVER_UNREACHABLE") throw error;
      if (isGone(error, delivery.remote_run as string) && !given) {
        store.transaction(() => outbox.reopenAll(store.db, delivery.seq, "the server no longer has the run"));
        continue;
      }
      told.push({ one, result: recordFailure(one, error) });
    }
  }
  return { checked, told, notes };
}

function reopen({ sync: { store }, delivery }: Delivering, why: string): void {
  store.transaction(() => outbox.updateDelivery(store.db, delivery.seq, { state: "pending", last_error: why }));
}
