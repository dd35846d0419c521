import * as outbox from "../db/outbox.ts";
import type { DeliveryRow, OutboxRow } from "../db/outbox.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { CofferError } from "../domain/error.ts";
import { ServerRefusal } from "../mlflow/refusal.ts";
import { claimRun } from "./claim-run.ts";
import { recordFailure, reopenMissing } from "./deliver-run.ts";
import type { RunResult } from "./deliver-run.ts";
import { layOut } from "./lay-out.ts";
import { isGiven } from "./reach-run.ts";
import { readBack } from "./read-back.ts";
import type { Delivering, Sync } from "./sync.ts";
import { newTally } from "./tally.ts";

/**
 * Looks whether the server still has all of these runs, and opens again what it lacks; a run that it lost altogether is opened whole.
 * Returns how many it looked at, and those that only a person can bring back: deleted on the server, or not to be read by this user.
 * @throws CofferError SERVER_UNREACHABLE
 */
export async function checkSynced(
  sync: Sync,
  deliveries: readonly DeliveryRow[],
): Promise<{ checked: number; refused: { one: Delivering; result: RunResult }[] }> {
  const { store } = sync;
  let checked = 0;
  const refused: { one: Delivering; result: RunResult }[] = [];
  for (const delivery of deliveries) {
    const run = runs.bySeq(store.db, delivery.run) as RunRow;
    if (run.removed_at !== null) continue;
    using claim = claimRun(store, run.seq);
    if (claim.holder) continue;
    const one: Delivering = { sync, run, delivery, tally: newTally(() => undefined) };
    const given = isGiven(delivery, outbox.entryOf(store.db, delivery.seq, "run") as OutboxRow);
    try {
      const words = reopenMissing(one, await readBack(one, await layOut(store, delivery.seq), given), false);
      checked++;
      if (words.length > 0) reopen(one, words.join("; "));
    } catch (error) {
      if (!(error instanceof CofferError) || error.code === "SERVER_UNREACHABLE") throw error;
      if (isGone(error) && !given) {
        store.transaction(() => outbox.reopenAll(store.db, delivery.seq, "the server no longer has the run"));
        continue;
      }
      refused.push({ one, result: recordFailure(one, error) });
    }
  }
  return { checked, refused };
}

function reopen({ sync: { store }, delivery }: Delivering, why: string): void {
  store.transaction(() => outbox.updateDelivery(store.db, delivery.seq, { state: "pending", last_error: why }));
}

function isGone(error: CofferError): boolean {
  return error instanceof ServerRefusal && error.errorCode === "RESOURCE_DOES_NOT_EXIST";
}
