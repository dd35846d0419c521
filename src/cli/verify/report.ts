import { statSync } from "node:fs";
import * as damaged from "../../db/damage.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";
import { isMalformed } from "../../domain/error.ts";
import { findStrays } from "../../gc/strays.ts";
import type { Damage } from "../../store/damage.ts";
import type { Repair } from "../../store/repair.ts";
import type { Store } from "../../store/store.ts";
import type { Touched, Verified } from "../../store/verify.ts";

/** What is damaged, and whose it is. */
export interface DamageReport extends Pick<Damage, "digest" | "path" | "what" | "detail"> {
  /** Artifacts that have these bytes: at most twenty, those in sight first. */
  artifacts: { ref: string; id: string; run: string; path: string; state: string }[];
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
export function reportOf(store: Store | undefined, found: Verified, repaired: Repair | undefined): VerifyReport {
  const damage = repaired?.damage ?? found.damage;
  const isAsked = store && !damage.some(({ what }) => what === "database");
  const { blobs, bytes, unverified } = found;
  return {
    schema: "coffer.verify/1",
    blobs,
    bytes,
    unverified,
    interrupted: found.interrupted || (repaired?.interrupted ?? false),
    damage: damage.map(({ digest, path, what, detail, ...rest }) => ({
      ...{ digest, path, what, detail },
      ...(isAsked ? hitBy(store, { digest, path, what, detail, ...rest }) : { artifacts: [], more_artifacts: 0 }),
    })),
    touched: found.touched.map(({ path, what }) => ({ path, what })),
    strays: isAsked ? straysOf(store) : [],
    repair: repaired ? { repaired: repaired.repaired, aside: repaired.aside, closed: repaired.closed, failed: repaired.failed } : null,
  };
}

function hitBy(store: Store, { blob, member }: Damage): Pick<DamageReport, "artifacts" | "more_artifacts"> {
  const uses = blob === undefined ? [] : damaged.usesOf(store.db, blob);
  const artifacts = uses.slice(0, SHOWN).map(({ id, name, version, run, path, state, tree }) => {
    const place = member ? `${path}/${member.path}` : path;
    return { ref: artifactRef({ id, name, version }), id, run, path: tree === null ? place : path, state };
  });
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
