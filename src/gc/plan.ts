import * as garbage from "../db/garbage.ts";
import * as leases from "../db/leases.ts";
import * as metadata from "../db/metadata.ts";
import * as runs from "../db/runs.ts";
import { CofferError, errno, reason } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { leaseState } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { chooseToFit } from "./fit.ts";
import { chooseGarbage } from "./retention.ts";
import type { ArtifactFacts, Choice, Condemned, RetentionRule } from "./retention.ts";
import type { GcRules } from "./rules.ts";
import { findStrays, leftStaging } from "./strays.ts";
import type { Stray } from "./strays.ts";
import { oldWorkspaces } from "./workspaces.ts";

/** One thing that goes. `rule` and `why` say for what reason; `bytes` is what only it frees, at once and after its pack was rewritten. */
export type GcItem = { rule: GcRule; what: string; why: string; bytes: number; bytes_after_repacking: number } & (
  | { kind: "artifact"; seq: number; state: "live" | "removed" | "withdrawn"; newer: number }
  | { kind: "blob"; seq: number }
  | { kind: "pack"; seq: number }
  | { kind: "file"; inode: number; changed: number }
  | { kind: "staging" }
  | { kind: "workspace"; run: number }
  | { kind: "delivery"; seq: number }
);
export type GcRule = RetentionRule | "unnamed" | "orphans" | "staging" | "workspaces" | "forget-unsynced";

/** A plan is a value: made once, shown, applied once. */
export interface GcPlan {
  schema: "coffer.gc/1";
  /** When it was made; milliseconds since 1970. */
  at: number;
  rules: GcRules;
  items: GcItem[];
  /** What a rule would have taken, and what keeps it. */
  kept: { rule: GcRule; what: string; because: string }[];
  /** Rows whose files are gone; nothing is done about them here. */
  missing: { digest: string; path: string }[];
  /** Packs that the sweep rewrites: more than half of their bytes are dead. */
  repack: { seq: number; path: string; bytes: number; live: number }[];
  totals: { items: number; bytes: number; bytes_after_repacking: number; kept: number };
  /** Of `maxSize`, where that rule is on. */
  limit: { bytes: number; stored: number; after: number; met: boolean } | null;
}

/**
 * Computes what can go. Changes nothing.
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
    store.db.transaction(() => planRows(store, plan))();
    planFiles(store, plan);
    for (const item of plan.items)
      if (item.kind !== "artifact" && item.kind !== "blob" && item.kind !== "pack") plan.totals.bytes += item.bytes;
    plan.totals.items = plan.items.length;
    plan.totals.kept = plan.kept.length;
    return plan;
  } catch (error) {
    if (errno(error)?.startsWith("SQLITE_CORRUPT")) throw damaged(reason(error), error);
    throw error;
  }
}

/** Up to this size a look at the whole database costs less than a tenth of a second. Bytes. */
const QUICKLY_CHECKED = 64 << 20;

/**
 * Refuses to judge by a database that is damaged. A large one is only looked at as a whole before something is deleted: otherwise the look would take longer
 * than the plan.
 * @throws CofferError STORE_DAMAGED
 */
export function checkDatabase(store: Store, options: { thoroughly: boolean }): void {
  let found = "ok";
  try {
    const { bytes } = store.db.query("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size").get() as {
      bytes: number;
    };
    if (options.thoroughly || bytes <= QUICKLY_CHECKED)
      found = (store.db.query("PRAGMA quick_check(1)").get() as { quick_check: string }).quick_check;
  } catch (error) {
    throw damaged(reason(error), error);
  }
  if (found !== "ok") throw damaged(found.trim().replaceAll("\n", "; "));
}

/**
 * A database that was made anew may lack something that the lost one knew: a person has to say that it does not.
 * @throws CofferError UNCONFIRMED
 */
export function requireConfirmed(store: Store, confirmed: boolean): void {
  if (metadata.get(store.db, "rebuilt") && !confirmed)
    throw new CofferError("UNCONFIRMED", "this store's database was rebuilt, and nobody has confirmed since that it knows everything", {
      hint: "look at coffer ls and at coffer gc without --apply, then run coffer gc --apply --yes; nothing was deleted",
    });
}

function damaged(what: string, cause?: unknown): CofferError {
  return new CofferError("STORE_DAMAGED", `the database is damaged (${what}), so what is garbage cannot be known`, {
    hint: "put it back from a backup, then run coffer verify; nothing was deleted",
    cause,
  });
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
  const unnamed = garbage.unnamedBlobs(db);
  garbage.findDead(db, unnamed);
  if (rules.maxSize !== null) fit(store, plan, choice.garbage, rules.maxSize);

  for (const described of garbage.describeGarbage(db))
    plan.items.push(artifactItem(described, choice.garbage.get(described.seq) as Condemned, rules));
  for (const spared of choice.spared) plan.kept.push(keptArtifact(store, spared));
  for (const blob of garbage.describeBlobs(db, unnamed))
    plan.items.push({
      kind: "blob",
      rule: "unnamed",
      seq: blob.seq,
      what: blob.digest,
      why: blob.state === "trashed" ? "its removal was interrupted" : "no artifact names it",
      bytes: blob.place === "file" ? blob.size : 0,
      bytes_after_repacking: blob.place === "pack" ? blob.size : 0,
    });
  const dead = garbage.deadBytes(db);
  plan.totals.bytes = dead.now;
  plan.totals.bytes_after_repacking = dead.later;
  for (const pack of garbage.hollowPacks(db))
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
  const stored = garbage.storedBytes(db);
  const { now, later } = garbage.deadBytes(db);
  let after = stored - now - later;
  if (after > limit) {
    const units = garbage.spendable(db, !plan.rules.forgetUnsynced);
    const shared = new Set(units.filter((unit) => unit.shared).map((unit) => unit.seq));
    const { chosen: more, freed } = chooseToFit(units, garbage.spendableEdges(db), after - limit, (seq) =>
      shared.has(seq) ? undefined : garbage.addGarbage(db, seq),
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

function artifactItem({ seq, what, state, named, now, later }: garbage.DescribedGarbage, { rule, why }: Condemned, rules: GcRules): GcItem {
  const newer = named === 0 || state !== "live" ? 0 : rule === "versions" ? (rules.maxVersions as number) : 1;
  return { kind: "artifact", rule, what, why, bytes: now, bytes_after_repacking: later, seq, state, newer };
}

function keptArtifact(store: Store, { condemned, keeper }: Choice["spared"][number]): GcPlan["kept"][number] {
  const because = "because" in keeper ? keeper.because : `${garbage.describeArtifact(store.db, keeper.neededBy)} was made from it`;
  return { rule: condemned.rule, what: garbage.describeArtifact(store.db, condemned.seq), because };
}

function planFiles(store: Store, plan: GcPlan): void {
  const { rules } = plan;
  if (rules.orphans) {
    const strays = findStrays(store, rules.grace);
    for (const file of strays.files)
      if (file.keeper !== undefined) plan.kept.push({ rule: "orphans", what: file.path, because: file.keeper });
      else plan.items.push(strayItem(file));
    const described = new Map(
      garbage
        .describeBlobs(
          store.db,
          strays.missing.map((row) => row.blob),
        )
        .map((row) => [row.seq, row.digest]),
    );
    for (const { blob, path } of strays.missing) plan.missing.push({ digest: described.get(blob) ?? "", path });
  }
  for (const { path, bytes, why } of leftStaging(store, rules.grace))
    plan.items.push({ kind: "staging", rule: "staging", what: path, why, bytes, bytes_after_repacking: 0 });
  if (rules.workspaces === null) return;
  for (const { run, path, bytes, why, keeper } of oldWorkspaces(store, rules.workspaces))
    if (keeper !== undefined) plan.kept.push({ rule: "workspaces", what: path, because: keeper });
    else plan.items.push({ kind: "workspace", rule: "workspaces", what: path, why, bytes, bytes_after_repacking: 0, run: run.seq });
}

function strayItem({ path, bytes, inode, changed }: Stray): GcItem {
  return { kind: "file", rule: "orphans", what: path, why: "no row names it", bytes, bytes_after_repacking: 0, inode, changed };
}
