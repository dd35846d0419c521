import * as artifacts from "../db/artifacts.ts";
import * as events from "../db/events.ts";
import * as journal from "../db/journal.ts";
import { condemn, dependents, suspect } from "../db/sweeping.ts";
import type { Suspect } from "../db/sweeping.ts";
import type { GcItem } from "./gc-plan.ts";
import { batches } from "./swept.ts";
import type { Sweep } from "./swept.ts";

type ArtifactItem = Extract<GcItem, { kind: "artifact" }>;

/** Makes the plan's artifacts tombstones (step 2 of the sweep). Returns the blobs that nothing names any more. */
export async function buryArtifacts(sweep: Sweep): Promise<number[]> {
  const condemned = new Set<number>();
  const pending = new Map(
    sweep.plan.items.filter((item): item is ArtifactItem => item.kind === "artifact").map((item) => [item.seq, item]),
  );
  // what was made from others mostly came after them; where it did not, its turn comes in a later round
  for (let before = -1; pending.size !== before && !sweep.swept.interrupted;) {
    before = pending.size;
    const round = [...pending.values()].sort((a, b) => b.seq - a.seq);
    for await (const batch of batches(sweep, round))
      sweep.store.transaction(() => batch.forEach((item) => buryOne(sweep, item, pending, condemned)));
  }
  return [...condemned];
}

function buryOne(sweep: Sweep, item: ArtifactItem, pending: Map<number, ArtifactItem>, condemned: Set<number>): void {
  const { store, swept, plan } = sweep;
  const now = suspect(store.db, item.seq, item.newer, plan.at);
  if (now?.state === "deleted" || !now) {
    pending.delete(item.seq);
    return;
  }
  const needing = dependents(store.db, item.seq);
  const keeper =
    changed(item, now, store.now() - plan.rules.grace) ??
    now.keeper ??
    (needing.some((seq) => !pending.has(seq)) ? "something that stays was made from it" : undefined);
  if (keeper !== undefined) {
    swept.stayed.push({ what: item.what, because: keeper });
    pending.delete(item.seq);
    return;
  }
  if (needing.length > 0) return;
  artifacts.entomb(store.db, item.seq, store.now());
  journal.append(store.db, { at: store.now(), did: "delete", artifact: now.uid, id: now.id, digest: now.digest, size: now.size });
  events.record(store.db, {
    at: store.now(),
    run: now.run,
    artifact: item.seq,
    kind: "deleted",
    message: `gc deleted ${item.what}: ${item.why}`,
  });
  if (now.blob !== null && condemn(store.db, now.blob, store.now())) condemned.add(now.blob);
  swept.deleted.push({ kind: "artifact", what: item.what, bytes: 0 });
  pending.delete(item.seq);
}

function changed(item: ArtifactItem, now: Suspect, graceBegan: number): string | undefined {
  if (now.state !== item.state) return `it is ${now.state} now`;
  if (now.state === "removed" && now.state_at > graceBegan) return "it was taken out of sight anew";
  return now.outdone === 0 ? "newer versions of its name are gone meanwhile" : undefined;
}
