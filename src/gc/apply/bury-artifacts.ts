import * as artifacts from "../../db/records/artifacts.ts";
import * as events from "../../db/records/events.ts";
import * as journal from "../../db/records/journal.ts";
import { keepersAmong } from "../../db/garbage/protection.ts";
import type { Keeper } from "../../db/garbage/protection.ts";
import { RULES } from "../../db/garbage/rule.ts";
import type { Rule } from "../../db/garbage/rule.ts";
import { condemnBlobs, dependentsAmong, respectAllLeases, suspects } from "../../db/garbage/sweeping.ts";
import type { Span, Suspect } from "../../db/garbage/sweeping.ts";
import { nextGarbage, settleGarbage } from "../../db/garbage/tables.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { newerNeeded } from "../why/described.ts";
import { protectingNothing } from "../plan/plan.ts";
import { verdictWords } from "../plan/retention.ts";
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
      const from = nextGarbage(store.db, below, size);
      if (from === undefined) break;
      sweep.tell({ doing: "artifacts", done, of });
      if (await isToStop(sweep)) return condemned;
      const began = performance.now();
      const settled = store.transaction(() => buryBatch(sweep, { from, below }, except, condemned));
      done += settled;
      if (settled > 0) isSettled = true;
      size = nextBatch(size, performance.now() - began);
      syncPoint("gc.buried");
      below = from;
    }
  }
  return condemned;
}

/** Buries what nothing keeps and nothing waits for. Returns how many have their place now, be it buried or left. */
function buryBatch(sweep: Sweep, span: Span, except: ReadonlySet<Keeper>, condemned: Set<number>): number {
  const { store, plan, swept } = sweep;
  const { db } = store;
  const at = store.now();
  respectAllLeases(db);
  const keepers = keepersAmong(db, span, except);
  const needing = Map.groupBy(dependentsAmong(db, span), ({ of }) => of);
  const newer = Object.fromEntries(RULES.map((rule) => [rule, newerNeeded(rule, plan.rules)])) as Record<Rule, number>;
  const buried = new Map<number, Suspect>();
  const left = new Set<number>();
  for (const now of suspects(db, span, newer, plan.at)) {
    if (now.state === "deleted") {
      left.add(now.seq);
      continue;
    }
    // as it is in this moment of the batch
    const waiting = needing.get(now.seq)?.filter(({ seq }) => !buried.has(seq)) ?? [];
    const keeper =
      changed(now, at - plan.rules.grace) ??
      keepers.get(now.seq) ??
      (waiting.some(({ seq, isGarbage }) => isGarbage === 0 || left.has(seq)) ? "something that stays was made from it" : undefined);
    if (keeper !== undefined) {
      swept.stayed.push({ what: artifactRef(now), because: keeper });
      left.add(now.seq);
    } else if (waiting.length === 0) buried.set(now.seq, now);
  }
  for (const now of buried.values()) tellOf(sweep, now, at);
  artifacts.entomb(db, [...buried.keys()], at);
  const bytes = [...new Set([...buried.values()].flatMap(({ blob }) => blob ?? []))];
  for (const blob of condemnBlobs(db, bytes, at)) condemned.add(blob);
  settleGarbage(db, [...buried.keys(), ...left]);
  return buried.size + left.size;
}

/** Writes down that it goes. */
function tellOf({ store, plan, swept, words }: Sweep, now: Suspect, at: number): void {
  const what = artifactRef(now);
  // most of a hundred thousand go for the same few reasons: one string of each of those, and not one of each artifact
  const said = verdictWords(now, plan.rules, plan.at);
  const why = words.get(said) ?? said;
  words.set(why, why);
  const message = `gc deleted ${what}: ${why}`;
  journal.append(store.db, { at, did: "delete", artifact: now.uid, id: now.id, digest: now.digest, size: now.size, message });
  events.record(store.db, { at, run: now.run, artifact: now.seq, kind: "deleted", message });
  swept.deleted.push({ kind: "artifact", what, why, bytes: 0, planned: true });
}

const STATE_OF: Partial<Record<Rule, Suspect["state"]>> = { removed: "removed", "failed-runs": "withdrawn" };

function changed(now: Suspect, graceBegan: number): string | undefined {
  if (now.rule === "purge") return undefined;
  if (now.state !== (STATE_OF[now.rule] ?? "live")) return `it is ${now.state} now`;
  if (now.rule === "removed" && now.state_at > graceBegan) return "it was taken out of sight anew";
  return now.outdone === 0 ? "newer versions of its name are gone meanwhile" : undefined;
}
