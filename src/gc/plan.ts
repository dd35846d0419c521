import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as deadBlobs from "../db/dead-blobs.ts";
import * as garbage from "../db/garbage.ts";
import * as leases from "../db/leases.ts";
import { reading } from "../db/open.ts";
import * as runs from "../db/runs.ts";
import * as room from "../db/spendable.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { isMalformed, reason } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { leaseState } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { damaged } from "./check-database.ts";
import { chooseToFit } from "./fit.ts";
import type { GcItem, GcPlan } from "./gc-plan.ts";
import { planFiles } from "./plan-files.ts";
import { chooseGarbage } from "./retention.ts";
import type { ArtifactFacts, Choice, Condemned } from "./retention.ts";
import type { GcRules } from "./rules.ts";

/**
 * Computes what can go, but for workspaces, which `planWorkspaces` adds. Changes nothing.
 *
 * Whatever the rules say, it has what nobody can miss: what `rm` took away longer ago than the grace, blobs that nothing names, staging of dead
 * processes and, unless `orphans` is off, files that no row names.
 * @throws CofferError STORE_DAMAGED
 */
export function planGc(store: Store, rules: GcRules): GcPlan {
  try {
    const plan: GcPlan = {
      schema: "coffer.gc/1",
      at: store.now(),
      rules,
      items: [],
      kept: [],
      missing: [],
      repack: [],
      totals: { items: 0, bytes: 0, bytes_after_repacking: 0, kept: 0 },
      limit: null,
    };
    // a run's own lease outlives its processes until the run is adopted; what cannot be known counts as alive
    const holding = leases.all(store.db).filter((lease) => lease.kind === "run" || leaseState(lease, store.now()) !== "dead");
    garbage.openSets(
      store.db,
      holding.map((lease) => lease.seq),
    );
    // one read transaction: the sets are of one moment, and cost one lock
    reading(store.db, () => planRows(store, plan));
    planFiles(store, plan);
    for (const item of plan.items)
      if (item.kind !== "artifact" && item.kind !== "blob" && item.kind !== "pack") plan.totals.bytes += item.bytes;
    plan.totals.items = plan.items.length;
    plan.totals.kept = plan.kept.length;
    return plan;
  } catch (error) {
    if (isMalformed(error)) throw damaged(reason(error), error);
    throw error;
  }
}

function planRows(store: Store, plan: GcPlan): void {
  const { db } = store;
  const { rules } = plan;
  const choice = chooseGarbage(
    facts(store, rules),
    (candidates) => {
      garbage.setGarbage(db, candidates.keys());
      return {
        roots: garbage.protectedGarbage(db, !rules.forgetUnsynced),
        needed: garbage.neededGarbage(db),
        dependencies: (artifact) => garbage.dependenciesOf(db, artifact),
      };
    },
    rules,
    plan.at,
  );
  garbage.spare(
    db,
    choice.spared.map(({ condemned }) => condemned.seq),
  );
  const unnamed = deadBlobs.unnamedBlobs(db);
  deadBlobs.findDead(db, unnamed);
  if (rules.maxSize !== null) fit(store, plan, choice.garbage, rules.maxSize);

  for (const described of deadBlobs.describeGarbage(db))
    plan.items.push(artifactItem(described, choice.garbage.get(described.seq) as Condemned, rules));
  for (const spared of choice.spared) plan.kept.push(keptArtifact(store, spared));
  for (const blob of deadBlobs.describeBlobs(db, unnamed))
    plan.items.push({
      kind: "blob",
      rule: "unnamed",
      seq: blob.seq,
      what: blob.digest,
      why: blob.state === "trashed" ? "its removal was interrupted" : "no artifact names it",
      bytes: blob.place === "file" ? blob.size : 0,
      bytes_after_repacking: blob.place === "pack" ? blob.size : 0,
    });
  const dead = deadBlobs.deadBytes(db);
  plan.totals.bytes = dead.now;
  plan.totals.bytes_after_repacking = dead.later;
  for (const pack of deadBlobs.hollowPacks(db))
    if (pack.members > 0) plan.repack.push({ seq: pack.seq, path: pack.path, bytes: pack.size, live: pack.live });
    else if (pack.dying === 0) {
      plan.items.push({
        kind: "pack",
        rule: "unnamed",
        seq: pack.seq,
        what: pack.path,
        why: "no blob in it is left",
        bytes: pack.size,
        bytes_after_repacking: 0,
      });
      plan.totals.bytes += pack.size;
    }
  if (rules.forgetUnsynced)
    for (const delivery of garbage.unsyncedGarbage(db))
      plan.items.push({
        kind: "delivery",
        rule: "forget-unsynced",
        seq: delivery.seq,
        what: `${runs.bySeq(db, delivery.run)?.id} → ${delivery.target}`,
        why: `${delivery.artifacts} artifacts that go were never delivered; the rest of this delivery is given up too`,
        bytes: 0,
        bytes_after_repacking: 0,
      });
}

function* facts(store: Store, rules: GcRules): Generator<ArtifactFacts> {
  yield* garbage.outOfSight(store.db);
  if (rules.maxAge !== null) {
    yield* garbage.namedVersions(store.db);
    yield* garbage.unnamedBefore(store.db, store.now() - rules.maxAge);
  } else if (rules.maxVersions !== null) yield* garbage.namedVersions(store.db, rules.maxVersions);
}

function fit(store: Store, plan: GcPlan, chosen: Choice["garbage"], limit: number): void {
  const { db } = store;
  const stored = room.storedBytes(db);
  const { now, later } = deadBlobs.deadBytes(db);
  let after = stored - now - later;
  if (after > limit) {
    const units = room.spendable(db, !plan.rules.forgetUnsynced);
    const shared = new Set(units.filter((unit) => unit.shared).map((unit) => unit.seq));
    const { chosen: more, freed } = chooseToFit(units, room.spendableEdges(db), after - limit, (seq) =>
      shared.has(seq) ? undefined : deadBlobs.addGarbage(db, seq),
    );
    for (const unit of more)
      chosen.set(unit.seq, {
        seq: unit.seq,
        rule: "size",
        why: `last used ${new Date(unit.used).toISOString().slice(0, 16)}Z, and ${formatBytes(stored)} are stored (limit ${formatBytes(limit)})`,
      });
    after -= freed;
  }
  plan.limit = { bytes: limit, stored, after, met: after <= limit };
}

function artifactItem(
  { seq, id, name, version, state, now, later }: deadBlobs.DescribedGarbage,
  { rule, why }: Condemned,
  rules: GcRules,
): GcItem {
  const newer = name === null || state !== "live" ? 0 : rule === "versions" ? (rules.maxVersions as number) : 1;
  return {
    kind: "artifact",
    rule,
    what: artifactRef({ id, name, version }),
    why,
    bytes: now,
    bytes_after_repacking: later,
    seq,
    state,
    newer,
  };
}

function keptArtifact(store: Store, { condemned, keeper }: Choice["spared"][number]): GcPlan["kept"][number] {
  const refOf = (seq: number): string => artifactRef(artifacts.bySeq(store.db, seq) as ArtifactRow);
  const because = "because" in keeper ? keeper.because : `${refOf(keeper.neededBy)} was made from it`;
  return { rule: condemned.rule, what: refOf(condemned.seq), because };
}
