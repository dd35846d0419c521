import * as artifacts from "../../db/records/artifacts.ts";
import * as events from "../../db/records/events.ts";
import * as garbage from "../../db/garbage/garbage.ts";
import * as journal from "../../db/records/journal.ts";
import { keepersOf } from "../../db/garbage/protection.ts";
import type { Keeper } from "../../db/garbage/protection.ts";
import { condemn, dependents, respectAllLeases, suspect } from "../../db/garbage/sweeping.ts";
import type { Suspect } from "../../db/garbage/sweeping.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { newerNeeded } from "../why/described.ts";
import { protectingNothing } from "../plan/plan.ts";
import { verdictWords } from "../plan/retention.ts";
import type { Verdict } from "../plan/retention.ts";
import { FIRST_BATCH, isToStop, nextBatch } from "./swept.ts";
import type { Sweep } from "./swept.ts";

/** Makes the plan's artifacts tombstones (step 2 of the sweep). Returns the blobs that nothing names any more. */
export async function buryArtifacts(sweep: Sweep): Promise<Set<number>> {
  const { store, plan } = sweep;
  const except = protectingNothing(plan.rules, plan.scope);
  const condemned = new Set<number>();
  const of = plan.artifacts.count;
  let done = 0;
  let size = FIRST_BATCH;
  // what was made from others mostly came after them; where it did not, its turn comes in a later round
  for (let isSettled = true; isSettled;) {
    isSettled = false;
    for (let below = Number.MAX_SAFE_INTEGER; ;) {
      const batch = garbage.nextGarbage(store.db, below, size);
      const last = batch.at(-1);
      if (!last) break;
      sweep.tell({ doing: "artifacts", done, of });
      if (await isToStop(sweep)) return condemned;
      const began = performance.now();
      store.transaction(() => {
        respectAllLeases(store.db);
        for (const item of batch) {
          if (!buryOne(sweep, item, except, condemned)) continue;
          garbage.settleGarbage(store.db, item.seq);
          isSettled = true;
          done++;
        }
      });
      size = nextBatch(size, performance.now() - began);
      syncPoint("gc.buried");
      below = last.seq;
    }
  }
  return condemned;
}

/** False where it has to wait for others that go. */
function buryOne(sweep: Sweep, item: Verdict & { seq: number }, except: ReadonlySet<Keeper>, condemned: Set<number>): boolean {
  const { store, swept, plan } = sweep;
  const now = suspect(store.db, item.seq, newerNeeded(item.rule, plan.rules), plan.at);
  if (now?.state === "deleted" || !now) return true;
  const what = artifactRef(now);
  const needing = dependents(store.db, item.seq);
  const keeper =
    changed(item, now, store.now() - plan.rules.grace) ??
    keepersOf(store.db, item.seq, except)[0]?.because ??
    (needing.some((seq) => !garbage.isGarbage(store.db, seq)) ? "something that stays was made from it" : undefined);
  if (keeper !== undefined) {
    swept.stayed.push({ what, because: keeper });
    return true;
  }
  if (needing.length > 0) return false;
  const at = store.now();
  const why = verdictWords(item, plan.rules, plan.at);
  const message = `gc deleted ${what}: ${why}`;
  artifacts.entomb(store.db, item.seq, at);
  journal.append(store.db, { at, did: "delete", artifact: now.uid, id: now.id, digest: now.digest, size: now.size, message });
  events.record(store.db, { at, run: now.run, artifact: item.seq, kind: "deleted", message });
  if (now.blob !== null && condemn(store.db, now.blob, at)) condemned.add(now.blob);
  swept.deleted.push({ kind: "artifact", what, why, bytes: 0, planned: true });
  return true;
}

const STATE_OF: Partial<Record<Verdict["rule"], Suspect["state"]>> = { removed: "removed", "failed-runs": "withdrawn" };

function changed({ rule }: Verdict, now: Suspect, graceBegan: number): string | undefined {
  if (rule === "purge") return undefined;
  if (now.state !== (STATE_OF[rule] ?? "live")) return `it is ${now.state} now`;
  if (rule === "removed" && now.state_at > graceBegan) return "it was taken out of sight anew";
  return now.outdone === 0 ? "newer versions of its name are gone meanwhile" : undefined;
}
