import * as datasets from "../../db/records/datasets.ts";
import { findDead, findUnnamed } from "../../db/bytes/find-dead.ts";
import * as condemning from "../../db/garbage/condemn.ts";
import type { Counts } from "../../db/garbage/rule.ts";
import { hollowOnce, measurePacks } from "../../db/bytes/hollow-packs.ts";
import { reading } from "../../db/open/open.ts";
import type { Keeper } from "../../db/garbage/protection.ts";
import { deadBytes } from "../../db/garbage/read-blobs.ts";
import * as runs from "../../db/records/runs.ts";
import { countGarbage, spareNewest, spareProtected } from "../../db/garbage/spare.ts";
import { unsyncedGarbage } from "../../db/garbage/unsynced-garbage.ts";
import { isMalformed, reason } from "../../domain/error.ts";
import { atOnce } from "../../domain/pause.ts";
import type { Store } from "../../store/store.ts";
import { damaged } from "../check-database.ts";
import { describedArtifacts, describedBlobs, describedKept } from "../why/described.ts";
import type { GcPlan, GcScope, OtherItem } from "./gc-plan.ts";
import { readRows, writer, writeRows } from "./gc-rows.ts";
import type { GcRows } from "./gc-rows.ts";
import { makeRoom } from "./make-room.ts";
import { planFiles } from "./plan-files.ts";
import type { GcRules } from "./rules.ts";
import { openSets, ownSets, writerOf } from "./sets.ts";
import { STOPPED, strangeArtifacts, strangeRuns } from "../strange-manifests.ts";
import type { Stop } from "../strange-manifests.ts";

/**
 * Computes what can go, but for workspaces, which `planWorkspaces` adds. Changes nothing.
 *
 * Whatever the rules say, it has what nobody can miss: what `rm` took away longer ago than the grace, blobs that nothing names, staging of dead
 * processes and, unless `orphans` is off, files that no row names. Manifests of known runs are only read where there is such a thing.
 * @throws CofferError STORE_DAMAGED
 */
export function planGc(store: Store, rules: GcRules, scope?: GcScope): GcPlan {
  return atOnce(planning(store, rules, scope));
}

/** The same; yields between its steps. The longest is a look at all rows in one read transaction: a second, of a million artifacts. */
export function* planning(store: Store, rules: GcRules, scope: GcScope = { dataset: null, part: "all" }): Generator<void, GcPlan> {
  try {
    let plan = yield* planOnce(store, rules, scope, strangeRuns(store));
    if (plan.totals.items + plan.repack.length > 0) {
      const stopped = yield* strangeArtifacts(store);
      if (stopped.length > 0) plan = yield* planOnce(store, rules, scope, stopped);
    }
    return plan;
  } catch (error) {
    if (isMalformed(error)) throw damaged(reason(error), error);
    throw error;
  }
}

function* planOnce(store: Store, rules: GcRules, scope: GcScope, stopped: Stop[]): Generator<void, GcPlan> {
  openSets(store, stopped.length > 0 ? STOPPED : undefined);
  yield;
  // one read transaction: the sets are of one moment, and cost one lock
  const plan = reading(store.db, () => planRows(store, rules, scope, stopped));
  yield;
  yield* planFiles(store, plan);
  plan.totals.items = plan.artifacts.count + plan.blobs.count + plan.others.length;
  plan.totals.kept = plan.keptArtifacts.count + plan.keptOthers.length;
  return plan;
}

function planRows(store: Store, rules: GcRules, scope: GcScope, stopped: Stop[]): GcPlan {
  const { db } = store;
  const at = store.now();
  const except = protectingNothing(rules, scope);
  const rows = readRows(store, rules, scope);
  const { artifacts, blobs, kept } = rows;
  findUnnamed(db, blobs, scope.dataset);
  const condemned = condemnByRules(store, rows, rules, scope);
  spareProtected(db, rows.garbage, kept, artifacts, except);
  if (rows.garbage.count > 0) findDead(db, blobs, artifacts, rows.garbage, () => writeRows(db, rows));
  let bytes = deadBytes(blobs);
  let limit: GcPlan["limit"] = null;
  if (rules.maxSize !== null) {
    const room = makeRoom(store, rows, rules.maxSize, bytes, except);
    limit = room.limit;
    condemned.size = room.condemned;
    bytes += room.freed;
  }
  const later = measurePacks(db, blobs);
  const counts = countGarbage(condemned, kept);
  const write = writer(db, rows);
  const plan: GcPlan = {
    schema: "coffer.gc/1",
    at,
    scope,
    rules,
    artifacts: describedArtifacts(store, rules, at, counts, () => writerOf(store, plan)),
    blobs: describedBlobs(store, () => writerOf(store, plan)),
    others: [],
    keptArtifacts: describedKept(store, kept, counts),
    keptOthers: [],
    stopped,
    missing: [],
    repack: [],
    rehouse: [],
    totals: { items: 0, bytes: bytes - later, bytes_after_repacking: later, kept: 0 },
    waiting: scope.part === "all" ? waiting(store, rules.grace) : { items: 0, first: null, last: null },
    limit,
  };
  ownSets(store, plan, write);
  if (stopped.length > 0) return plan;
  planPacks(store, plan);
  if (scope.part === "purge" || rules.forgetUnsynced) write(null, Infinity);
  if (scope.part === "purge") planRehousing(store, plan, scope.dataset as string);
  if (rules.forgetUnsynced) plan.others.push(...deliveries(store));
  return plan;
}

/** What protects others and nothing here. */
export function protectingNothing(rules: GcRules, { part }: GcScope): ReadonlySet<Keeper> {
  const except = new Set<Keeper>();
  if (rules.forgetUnsynced) except.add("undelivered");
  // who purges a dataset gives up what an import left elsewhere, and those bytes stay there
  if (part === "purge") except.add("unverified");
  return except;
}

function condemnByRules({ db, now }: Store, { garbage, kept, artifacts }: GcRows, rules: GcRules, { part, dataset }: GcScope): Counts {
  if (part === "orphans") return {};
  if (part === "purge") return { purge: condemning.condemnDataset(db, garbage, dataset as string, now()) };
  const { grace, failedRuns, maxVersions, maxAge } = rules;
  const counts: Counts = { removed: condemning.condemnRemoved(db, garbage, now() - grace) };
  if (failedRuns !== null) counts["failed-runs"] = condemning.condemnWithdrawn(db, garbage, now() - failedRuns);
  // before age: what both condemn goes by its versions
  if (maxVersions !== null) counts.versions = condemning.condemnVersions(db, garbage, artifacts, maxVersions);
  if (maxAge !== null) {
    counts.age = condemning.condemnOld(garbage, artifacts);
    spareNewest(db, garbage, kept, artifacts);
  }
  return counts;
}

function waiting({ db, now }: Store, grace: number): GcPlan["waiting"] {
  const { items, first, last } = condemning.removedSince(db, now() - grace);
  return { items, first: first === null ? null : first + grace, last: last === null ? null : last + grace };
}

function planPacks({ db }: Store, plan: GcPlan): void {
  for (const pack of hollowOnce(db, plan.scope.dataset))
    if (pack.members > 0) {
      // a cleanup deletes what it lists, and rewrites nothing
      if (plan.scope.part !== "orphans") plan.repack.push({ seq: pack.seq, path: pack.path, bytes: pack.size, live: pack.live });
    } else if (pack.counted === 0) {
      plan.others.push({
        kind: "pack",
        rule: "unnamed",
        seq: pack.seq,
        what: pack.path,
        why: "no blob in it is left",
        bytes: pack.size,
        bytes_after_repacking: 0,
      });
      plan.totals.bytes += pack.size - pack.bytes;
    }
}

function planRehousing({ db }: Store, plan: GcPlan, dataset: string): void {
  const displaced = datasets.displaced(db, dataset);
  plan.rehouse = displaced.map(({ digest, path, dataset: to, size }) => ({ what: digest, from: path, dataset: to, bytes: size }));
  // what moves need not be written anew first
  const leaving = new Set(displaced.map(({ pack }) => pack));
  plan.repack = plan.repack.filter(({ seq }) => !leaving.has(seq));
}

function deliveries({ db }: Store): OtherItem[] {
  return unsyncedGarbage(db).map((delivery) => ({
    kind: "delivery",
    rule: "forget-unsynced",
    seq: delivery.seq,
    what: `${runs.bySeq(db, delivery.run)?.id} → ${delivery.target}`,
    why: `${delivery.artifacts} artifacts that go were never delivered; the rest of this delivery is given up too`,
    bytes: 0,
    bytes_after_repacking: 0,
  }));
}
