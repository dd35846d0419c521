import { formatDuration } from "../domain/quantity.ts";
import type { GcRules } from "./rules.ts";

/** What the rules look at. */
export interface ArtifactFacts {
  seq: number;
  /** Null: it belongs to its run. */
  name: string | null;
  version: number;
  /** removed: by `rm`; withdrawn: with its failed run. */
  state: "live" | "removed" | "withdrawn";
  /** When it was made; removed: when that happened; withdrawn: when its run ended. Milliseconds. */
  since: number;
}

export type RetentionRule = "removed" | "failed-runs" | "versions" | "age" | "size";

export interface Condemned {
  seq: number;
  rule: RetentionRule;
  why: string;
}

/** What keeps an artifact: words, or the artifact (its seq) that was made from it. */
export type Keeper = { because: string } | { neededBy: number };

export interface Protection {
  /** Why a candidate must stay whatever a rule says: pinned, aliased, leased, not delivered, … */
  roots: ReadonlyMap<number, string>;
  /** Candidates that something was made from that is no candidate, and what that is. */
  needed: ReadonlyMap<number, number>;
  /** What an artifact was made from. */
  dependencies(artifact: number): Iterable<number>;
}

export interface Choice {
  /** By seq. */
  garbage: Map<number, Condemned>;
  /** What a rule condemns and something protects. */
  spared: { condemned: Condemned; keeper: Keeper }[];
}

/**
 * What goes: what a rule condemns, unless a root or something that stays needs it. Either of versions and age condemns; the newest version of a
 * name never goes; something condemned protects nothing. `maxSize` is not looked at here: see `chooseToFit`.
 *
 * All live versions of a name are in `artifacts` and stand together, in any order. `protect` is asked once, with all that rules condemn.
 */
export function chooseGarbage(
  artifacts: Iterable<ArtifactFacts>,
  protect: (candidates: ReadonlyMap<number, Condemned>) => Protection,
  rules: GcRules,
  now: number,
): Choice {
  const garbage = new Map<number, Condemned>();
  const spared: Choice["spared"] = [];
  for (const group of byName(artifacts))
    for (const { facts, condemned } of judge(group, rules, now)) {
      if (facts === group[0] && facts.name !== null && facts.state === "live")
        spared.push({ condemned, keeper: { because: "it is the newest version of its name" } });
      else garbage.set(condemned.seq, condemned);
    }

  const { roots, needed, dependencies } = protect(garbage);
  const stays: number[] = [];
  const spare = (seq: number, keeper: Keeper): void => {
    const condemned = garbage.get(seq);
    if (condemned === undefined) return;
    garbage.delete(seq);
    spared.push({ condemned, keeper });
    stays.push(seq);
  };
  for (const [seq, because] of roots) spare(seq, { because });
  for (const [seq, artifact] of needed) spare(seq, { neededBy: artifact });
  // grows while it is read
  for (const artifact of stays) for (const dependency of dependencies(artifact)) spare(dependency, { neededBy: artifact });
  return { garbage, spared };
}

/** A name's live versions, the newest first; what has no name, or is out of sight, comes alone. */
function* byName(artifacts: Iterable<ArtifactFacts>): Generator<ArtifactFacts[]> {
  let group: ArtifactFacts[] = [];
  const inOrder = (): ArtifactFacts[] => group.sort((a, b) => b.version - a.version);
  for (const facts of artifacts) {
    if (facts.name === null || facts.state !== "live") {
      yield [facts];
      continue;
    }
    if (group[0] && group[0].name !== facts.name) {
      yield inOrder();
      group = [];
    }
    group.push(facts);
  }
  if (group.length > 0) yield inOrder();
}

function* judge(group: readonly ArtifactFacts[], rules: GcRules, now: number): Generator<{ facts: ArtifactFacts; condemned: Condemned }> {
  for (const [newer, facts] of group.entries()) {
    const verdict = judgeOne(facts, newer, now - facts.since, rules);
    if (verdict) yield { facts, condemned: { seq: facts.seq, ...verdict } };
  }
}

function judgeOne(facts: ArtifactFacts, newer: number, age: number, rules: GcRules): Omit<Condemned, "seq"> | undefined {
  if (facts.state === "removed")
    return age >= rules.grace ? { rule: "removed", why: `taken out of sight ${formatDuration(age)} ago` } : undefined;
  if (facts.state === "withdrawn")
    return rules.failedRuns !== null && age >= rules.failedRuns
      ? { rule: "failed-runs", why: `its run failed ${formatDuration(age)} ago` }
      : undefined;
  if (rules.maxVersions !== null && newer >= rules.maxVersions)
    return { rule: "versions", why: `${newer} newer versions (${rules.maxVersions} are kept)` };
  if (rules.maxAge !== null && age > rules.maxAge)
    return { rule: "age", why: `${formatDuration(age)} old (${formatDuration(rules.maxAge)} are kept)` };
  return undefined;
}
