import { statSync } from "node:fs";
import { artifactRef } from "../../domain/artifact-ref.ts";
import { isMalformed } from "../../domain/error.ts";
import { findStrays } from "../../gc/plan/strays.ts";
import type { Damage } from "../../store/damage/damage.ts";
import { listLost, pathInRun } from "../../store/damage/lost.ts";
import type { Use } from "../../store/damage/lost.ts";
import type { Repair } from "../../store/damage/repair.ts";
import type { Store } from "../../store/store.ts";
import type { Touched, Verified } from "../../store/damage/verify.ts";

/** What is damaged, and whose it is. */
export interface DamageReport extends Pick<Damage, "digest" | "path" | "what" | "detail"> {
  /** Artifacts that have these bytes: at most twenty, those in sight first. */
  artifacts: { ref: string; id: string; run: string; /** Within the run. */ path: string; state: string }[];
  more_artifacts: number;
}

/** What `coffer verify` says. */
export interface VerifyReport {
  schema: "coffer.verify/1";
  blobs: number;
  bytes: number;
  unverified: number;
  interrupted: boolean;
  /** What stays damaged. */
  damage: DamageReport[];
  touched: Pick<Touched, "path" | "what">[];
  /** Files below `binaries/` that no row names. */
  strays: { path: string; bytes: number; why: string | null }[];
  /** null without `--repair`. */
  repair: Pick<Repair, "repaired" | "aside" | "closed" | "failed"> | null;
}

const SHOWN = 20;

/** `store`: undefined where its database cannot be opened. */
export async function reportOf(store: Store | undefined, found: Verified, repaired: Repair | undefined): Promise<VerifyReport> {
  const damage = repaired?.damage ?? found.damage;
  const isAsked = store && !damage.some(({ what }) => what === "database");
  const { blobs, bytes, unverified } = found;
  const uses = isAsked ? await usesOf(store, damage) : () => [];
  return {
    schema: "coffer.verify/1",
    blobs,
    bytes,
    unverified,
    interrupted: found.interrupted || (repaired?.interrupted ?? false),
    damage: damage.map((one) => ({ digest: one.digest, path: one.path, what: one.what, detail: one.detail, ...hitBy(uses(one)) })),
    touched: found.touched.map(({ path, what }) => ({ path, what })),
    strays: isAsked ? straysOf(store) : [],
    repair: repaired ? { repaired: repaired.repaired, aside: repaired.aside, closed: repaired.closed, failed: repaired.failed } : null,
  };
}

/** The artifacts that have what is damaged. */
async function usesOf(store: Store, damage: readonly Damage[]): Promise<(one: Damage) => readonly Use[]> {
  const byKey = new Map(
    (await listLost(store, damage)).map(({ row, tree, digest, uses }) => [row ? `${row.seq}` : `${tree} ${digest.hex}`, uses]),
  );
  return ({ blob, member }) => byKey.get(member ? `${blob} ${member.hex}` : `${blob}`) ?? [];
}

function hitBy(uses: readonly Use[]): Pick<DamageReport, "artifacts" | "more_artifacts"> {
  const artifacts = uses.slice(0, SHOWN).map((use) => ({
    ref: artifactRef(use),
    id: use.id,
    run: use.run,
    path: pathInRun(use) ?? use.path,
    state: use.state,
  }));
  return { artifacts, more_artifacts: uses.length - artifacts.length };
}

function straysOf(store: Store): VerifyReport["strays"] {
  if (!statSync(store.path("binaries"), { throwIfNoEntry: false })?.isDirectory()) return [];
  try {
    const { files } = findStrays(store, { grace: 0, scope: { dataset: null, part: "all" }, isStopped: false });
    return files.map(({ path, bytes, keeper }) => ({ path, bytes, why: keeper ?? null }));
  } catch (error) {
    if (!isMalformed(error)) throw error;
    return [];
  }
}
