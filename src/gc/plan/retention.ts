import type { Rule } from "../../db/garbage/rule.ts";
import { countOf, formatBytes, formatDuration } from "../../domain/quantity.ts";
import type { GcRules } from "./rules.ts";

/** What a rule says of an artifact, and the number that goes with it: a time in milliseconds, or a count of newer versions. */
export interface Verdict {
  rule: Rule;
  detail: number;
}

/** What the rules look at. */
export interface ArtifactFacts {
  /** removed: by `rm`; withdrawn: with its failed run, which has ended. */
  state: "live" | "removed" | "withdrawn";
  /** When it was made; removed: when that happened; withdrawn: when its run ended. Milliseconds. */
  since: number;
  /** Live versions of its name that are newer; null: it has no name. */
  newer: number | null;
}

/**
 * What the rules say of one artifact. Either of versions and age condemns; the newest version of a name never goes. `planGc` asks the database the same of
 * all of them at once. `maxSize` is not looked at: that depends on the others.
 */
export function judge({ state, since, newer }: ArtifactFacts, rules: GcRules, now: number): Verdict | undefined {
  if (state === "removed") return now - since >= rules.grace ? { rule: "removed", detail: since } : undefined;
  if (state === "withdrawn")
    return rules.failedRuns !== null && now - since >= rules.failedRuns ? { rule: "failed-runs", detail: since } : undefined;
  if (newer !== null && rules.maxVersions !== null && newer >= rules.maxVersions) return { rule: "versions", detail: newer };
  return newer !== 0 && rules.maxAge !== null && now - since > rules.maxAge ? { rule: "age", detail: since } : undefined;
}

/** A verdict in words, at the time of the plan. */
export function verdictWords({ rule, detail }: Verdict, rules: GcRules, now: number): string {
  const ago = formatDuration(now - detail);
  switch (rule) {
    case "removed":
      return `taken out of sight ${ago} ago`;
    case "failed-runs":
      return `its run failed ${ago} ago`;
    case "versions":
      return `${countOf(detail, "newer version")} (${keptWords(rules.maxVersions ?? 0)})`;
    case "age":
      return `${ago} old (${formatDuration(rules.maxAge ?? 0)} are kept)`;
    case "size":
      return `last used ${new Date(detail).toISOString().slice(0, 16)}Z, and more than ${formatBytes(rules.maxSize ?? 0)} are stored`;
    case "purge":
      return "its dataset is purged";
  }
}

/** `1 is kept`, `2 are kept`. */
export function keptWords(versions: number): string {
  return `${versions} ${versions === 1 ? "is" : "are"} kept`;
}
