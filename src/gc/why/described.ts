import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as deadBlobs from "../../db/bytes/dead-blobs.ts";
import { collectAfter } from "../../db/garbage/columns.ts";
import * as keeping from "../../db/garbage/spare.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";
import type { Store } from "../../store/store.ts";
import type { ArtifactItem, BlobItem, Described, GcRule, Going, Kept } from "../plan/gc-plan.ts";
import type { Writer } from "../plan/sets.ts";
import { verdictWords } from "../plan/retention.ts";
import type { Rule } from "../../db/garbage/rule.ts";
import type { GcRules } from "../plan/rules.ts";

/** SQLite takes a negative limit for none. */
const ALL = -1;
/** A row in words leaves more behind it than one that is only read: by itself the engine lets a million of them take several times the memory of the plan. */
const COLLECTED = 1 << 14;

/** `writer` gives what fills the sets that they are read from, and throws where those are another plan's. */
export function describedArtifacts(
  { db }: Store,
  rules: GcRules,
  at: number,
  counts: readonly { rule: Rule; going: number }[],
  writer: () => Writer,
): Going<ArtifactItem> {
  function* items(rule: GcRule | null, most: number): Generator<ArtifactItem> {
    writer()(rule, most);
    let count = 0;
    for (const row of deadBlobs.describeGarbage(db, rule, most === Infinity ? ALL : most)) {
      const verdict = { rule: row.rule as Rule, detail: row.detail };
      yield {
        kind: "artifact",
        rule: verdict.rule,
        what: artifactRef(row),
        why: verdictWords(verdict, rules, at),
        bytes: row.now,
        bytes_after_repacking: row.later,
        seq: row.seq,
        state: row.state,
        newer: newerNeeded(verdict.rule, rules),
      };
      collectAfter(++count, COLLECTED);
    }
  }
  return {
    count: counts.reduce((total, { going }) => total + going, 0),
    first: (most) => [...items(null, most)],
    byRule: (most) =>
      counts.filter(({ going }) => going > 0).map(({ rule, going }) => ({ rule, count: going, first: [...items(rule, most)] })),
    [Symbol.iterator]: () => items(null, Infinity),
  };
}

/** How many newer versions of its name there must still be when it goes. */
export function newerNeeded(rule: Rule, rules: GcRules): number {
  return rule === "versions" ? (rules.maxVersions as number) : rule === "age" || rule === "size" ? 1 : 0;
}

/** `requireOwn` throws where the sets are another plan's. */
export function describedBlobs({ db }: Store, requireOwn: () => void): Going<BlobItem> {
  const count = deadBlobs.countUnnamed(db);
  function* items(most: number): Generator<BlobItem> {
    requireOwn();
    for (const blob of deadBlobs.describeUnnamed(db, most))
      yield {
        kind: "blob",
        rule: "unnamed",
        seq: blob.seq,
        what: blob.what,
        why: blob.state === "trashed" ? "its removal was interrupted" : "no artifact names it",
        bytes: blob.now,
        bytes_after_repacking: blob.later,
      };
  }
  return {
    count,
    first: (most) => [...items(most)],
    byRule: (most) => (count === 0 ? [] : [{ rule: "unnamed", count, first: [...items(most)] }]),
    [Symbol.iterator]: () => items(ALL),
  };
}

export function describedKept({ db }: Store, set: keeping.KeptSet, counts: readonly { kept: number }[]): Described<Kept> {
  const refOf = (seq: number): string => artifactRef(artifacts.bySeq(db, seq) as ArtifactRow);
  function* items(most: number): Generator<Kept> {
    for (const { rule, seq, because, neededBy } of keeping.kept(set, most))
      yield { rule, what: refOf(seq), because: because ?? `${refOf(neededBy)} was made from it` };
  }
  return {
    count: counts.reduce((total, { kept }) => total + kept, 0),
    first: (most) => [...items(most)],
    [Symbol.iterator]: () => items(Infinity),
  };
}
