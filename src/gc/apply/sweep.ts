import * as deadBlobs from "../../db/bytes/dead-blobs.ts";
import * as metadata from "../../db/open/metadata.ts";
import { expectMuch } from "../../db/garbage/sweeping.ts";
import { diskFigures } from "../../domain/file-system.ts";
import { freeLeftovers } from "../../domain/free-leftovers.ts";
import { giveUpDelivery } from "../../store/give-up-delivery.ts";
import { dropLease, freeDeadLeases, staging, takeLease } from "../../store/lease.ts";
import { freeRoom } from "../../store/reserve.ts";
import type { Store } from "../../store/store.ts";
import { buryArtifacts } from "./bury-artifacts.ts";
import { dropBlobs } from "./drop-blobs.ts";
import { dropStaging, dropStrays, dropWorkspaces } from "./drop-files.ts";
import type { GcPlan } from "../plan/gc-plan.ts";
import { completeSets } from "../plan/sets.ts";
import { rehouse } from "./rehouse.ts";
import { dropEmptyPacks, repack } from "./repack.ts";
import { isToStop } from "./swept.ts";
import type { Sweep, SweepStep, Swept } from "./swept.ts";
import { syncPoint } from "../../domain/sync-point.ts";

/** Bytes that are free on the disk where the log need not be kept short. */
const MUCH_ROOM = 2 * 2 ** 30;

/**
 * Applies a plan. Whatever it deletes it looks at once more, in the write transaction that does so.
 *
 *  1. Takes a lease of kind `sweep`; what is on its way out lies in that lease's own directory under `tmp/`.
 *  2. Condemns: each artifact of the plan that still is what the plan says, and that nothing protects by now, becomes a tombstone, those that were made
 *     from others first; in the same transaction blobs that nothing names any more are condemned. An ingest that meets a condemned blob revives it.
 *  3. Trashes: in a second transaction, a blob that is still condemned and that neither row nor lease names is marked as trashed. From then on an ingest
 *     writes those bytes anew, at another place. That is durable before a file is touched: were the file renamed first, a crash in between would leave a
 *     row that can be revived, and no bytes.
 *  4. Removes: in a third transaction, the file of a blob that is still trashed is renamed away and its row goes; a directory's list takes its member
 *     rows along, and members that nothing else names are condemned: they go through 3 and 4 next.
 *  5. Unlinks what was renamed away.
 *  6. Packs without a living member are removed, what a purged dataset leaves to others moves to them, and packs more than half dead are written anew; then stray files, staging and workspaces go.
 *
 * A crash anywhere leaves nothing wrong: a tombstone's blobs are found unnamed by the next plan, a condemned or trashed row too, a file without a row is
 * a stray, and what was renamed away goes with the staging of the dead lease. `stop` is asked between small batches; a stopped sweep is done by another plan.
 */
export async function sweep(
  store: Store,
  plan: GcPlan,
  stop: () => boolean,
  tell: (step: SweepStep) => void = () => undefined,
): Promise<Swept> {
  completeSets(store, plan);
  const swept: Swept = { deleted: [], stayed: [], failed: [], repacked: [], rehoused: [], freed: 0, interrupted: false };
  if (plan.stopped.length > 0) return swept;
  freeDeadLeases(store);
  expectMuch(store.db, { room: freeRoom(diskFigures(store.root)) > MUCH_ROOM });
  const lease = takeLease(store, "sweep");
  const sweeping: Sweep = {
    store,
    plan,
    lease,
    trash: staging(store, lease),
    stop,
    tell,
    swept,
    moved: [],
    words: new Map(),
    count: 0,
  };
  syncPoint("gc.begun");
  try {
    if (metadata.get(store.db, "rebuilt")) store.transaction(() => metadata.set(store.db, "rebuilt", ""));
    forgetDeliveries(sweeping);
    const unnamed = deadBlobs.unnamed(store.db);
    const condemned = await buryArtifacts(sweeping);
    freeLeftovers(condemned.size);
    const steps = [
      () => dropBlobs(sweeping, [...unnamed, ...condemned], new Set(unnamed)),
      () => dropEmptyPacks(sweeping),
      async () => (plan.scope.part === "purge" ? rehouse(sweeping, plan.scope.dataset as string) : undefined),
      () => repack(sweeping),
      () => dropStrays(sweeping),
      () => dropStaging(sweeping),
      () => dropWorkspaces(sweeping),
    ];
    for (const step of steps) {
      if (await isToStop(sweeping)) break;
      await step();
    }
    syncPoint("gc.done");
  } finally {
    dropLease(store, lease);
  }
  // who tells of all that went needs memory for it
  freeLeftovers(swept.deleted.length);
  return swept;
}

/** Gives up deliveries that still have garbage to send, unless a process is sending just now. */
function forgetDeliveries({ store, plan, swept }: Sweep): void {
  const items = plan.others.filter((item) => item.kind === "delivery");
  if (items.length === 0) return;
  store.transaction(() => {
    for (const { seq, what, why } of items) {
      const outcome = giveUpDelivery(store, seq, "gc --forget-unsynced");
      if (outcome === "busy") swept.stayed.push({ what, because: "it is being delivered just now" });
      if (outcome !== "given up") continue;
      swept.deleted.push({ kind: "delivery", what, why, bytes: 0, planned: true });
    }
  });
}
