import type { Database } from "bun:sqlite";
import type { Garbage } from "./condemn.ts";
import { protectedRows } from "./protection.ts";
import type { Keeper } from "./protection.ts";
import { eachName, STATE } from "./read-artifacts.ts";
import type { Artifacts } from "./read-artifacts.ts";
import { readLineage } from "./read-lineage.ts";
import type { Lineage } from "./read-lineage.ts";
import { RULES } from "./rule.ts";
import type { Counts, Rule } from "./rule.ts";

// What is kept although a rule condemns it.

/** What was taken out of the garbage again, in columns by the seqs of artifacts. */
export interface KeptSet {
  /** As those of garbage. */
  rules: Uint8Array;
  /** The place of a reason in `reasons`, from 1; 0: something was made from it, that is in `neededBy`. */
  because: Uint32Array;
  neededBy: Uint32Array;
  reasons: Map<string, number>;
  counts: Map<Rule, number>;
}

export function noneKept({ states }: Artifacts): KeptSet {
  const room = states.length;
  return {
    rules: new Uint8Array(room),
    because: new Uint32Array(room),
    neededBy: new Uint32Array(room),
    reasons: new Map(),
    counts: new Map(),
  };
}

/** Keeps a piece of garbage: because of something that is put into words, or for what was made from it. */
function spare(garbage: Garbage, kept: KeptSet, seq: number, reason: string | number): void {
  const place = garbage.rules[seq] as number;
  const rule = RULES[place - 1] as Rule;
  garbage.rules[seq] = 0;
  garbage.count--;
  kept.rules[seq] = place;
  kept.counts.set(rule, (kept.counts.get(rule) ?? 0) + 1);
  if (typeof reason === "number") kept.neededBy[seq] = reason;
  else {
    const known = kept.reasons.get(reason) ?? kept.reasons.size + 1;
    kept.reasons.set(reason, known);
    kept.because[seq] = known;
  }
}

/** The newest version of a name never goes by its age. */
export function spareNewest(db: Database, garbage: Garbage, kept: KeptSet, artifacts: Artifacts): void {
  const age = RULES.indexOf("age") + 1;
  if (!garbage.rules.includes(age)) return;
  eachName(db, artifacts, (versions, all) => {
    const newest = versions[all - 1] as number;
    if (garbage.rules[newest] === age) spare(garbage, kept, newest, "it is the newest version of its name");
  });
}

/** Takes out of the garbage what something protects, and what something that stays was made from. `except`: what protects nothing this time. */
export function spareProtected(db: Database, garbage: Garbage, kept: KeptSet, artifacts: Artifacts, except: ReadonlySet<Keeper>): void {
  if (garbage.count === 0) return;
  for (const rows of protectedRows(except))
    for (const { artifact, because } of db.query<{ artifact: number; because: string }, []>(rows).iterate())
      if (garbage.rules[artifact]) spare(garbage, kept, artifact, because);
  if (garbage.count > 0) spareNeeded(garbage, kept, artifacts, readLineage(db, artifacts.states.length));
}

/** Garbage that something was made from that is none (and no tombstone), what that was made from, and so on; each with what was made from it. */
function spareNeeded(garbage: Garbage, kept: KeptSet, { states }: Artifacts, { first, list }: Lineage): void {
  const { rules } = garbage;
  /** What is needed by something that stays: by the first of those. */
  const by = new Uint32Array(rules.length);
  for (let seq = 1; seq < rules.length; seq++) {
    if (rules[seq] !== 0 || states[seq] === STATE.deleted) continue;
    for (let at = first[seq] as number; at < (first[seq + 1] as number); at++) {
      const dependency = list[at] as number;
      if (rules[dependency] !== 0 && by[dependency] === 0) by[dependency] = seq;
    }
  }
  const needed = new Uint32Array(garbage.count);
  let count = 0;
  for (let seq = 1; seq < by.length; seq++) if (by[seq] !== 0) needed[count++] = seq;
  // grows while it is read
  for (let nth = 0; nth < count; nth++) {
    const artifact = needed[nth] as number;
    for (let at = first[artifact] as number; at < (first[artifact + 1] as number); at++) {
      const dependency = list[at] as number;
      if (rules[dependency] === 0 || by[dependency] !== 0) continue;
      by[dependency] = artifact;
      needed[count++] = dependency;
    }
  }
  for (let nth = 0; nth < count; nth++) spare(garbage, kept, needed[nth] as number, by[needed[nth] as number] as number);
}

/** How many of what rules condemned were kept, and how many are left to go. */
export function countGarbage(condemned: Readonly<Counts>, { counts }: KeptSet): { rule: Rule; going: number; kept: number }[] {
  return Object.entries(condemned).map(([word, all]) => {
    const rule = word as Rule;
    return { rule, going: all - (counts.get(rule) ?? 0), kept: counts.get(rule) ?? 0 };
  });
}

export interface Kept {
  rule: Rule;
  seq: number;
  /** In words; undefined where `neededBy` was made from it. */
  because: string | undefined;
  neededBy: number;
}

/** What is kept, in the order of its seqs; at most `most` of it. */
export function* kept({ rules, because, neededBy, reasons }: KeptSet, most: number): Generator<Kept> {
  const words = [...reasons.keys()];
  for (let seq = 0, count = 0; seq < rules.length && count < most; seq++) {
    if (rules[seq] === 0) continue;
    count++;
    yield {
      rule: RULES[(rules[seq] as number) - 1] as Rule,
      seq,
      because: words[(because[seq] as number) - 1],
      neededBy: neededBy[seq] as number,
    };
  }
}
