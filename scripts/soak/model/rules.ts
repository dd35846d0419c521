import { isSurely } from "./model.ts";
import type { Artifact, Model, Rules } from "./model.ts";

export function rulesArgs({ maxVersions, failedRuns }: Rules): string[] {
  return [
    "--grace",
    "0",
    ...(maxVersions === undefined ? [] : ["--max-versions", String(maxVersions)]),
    ...(failedRuns ? ["--failed-runs"] : []),
  ];
}

/**
 * What these rules take, as docs/cleanup.md has it, and written without a look at how gc does it. may: all that could go, whatever the commands that are at
 * work or were killed have done so far; must: what has to go, whatever they have done.
 */
export function condemned(model: Model, rules: Rules, view: "may" | "must"): Set<Artifact> {
  const going = new Set(
    [...model.artifacts.values()].filter((artifact) => isCondemned(model, artifact, rules, view) && !isSpared(model, artifact, view)),
  );
  // what something that stays was made from stays too; "absent" and "deleted" need nothing
  const stays = (artifact: Artifact): boolean =>
    !going.has(artifact) && (view === "may" ? !artifact.may.has("absent") && !artifact.may.has("deleted") : !isSurely(artifact, "deleted"));
  // what nobody has told of yet may be there, and need something
  if (view === "must")
    for (const { pending } of model.names.values()) for (const { needs } of pending) for (const needed of needs) going.delete(needed);
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    for (const artifact of model.artifacts.values()) {
      if (!stays(artifact)) continue;
      for (const needed of artifact.needs) if (going.delete(needed)) isSettled = false;
    }
  }
  return going;
}

function isCondemned(model: Model, artifact: Artifact, rules: Rules, view: "may" | "must"): boolean {
  const isIn = (state: "live" | "removed" | "withdrawn"): boolean => (view === "may" ? artifact.may.has(state) : isSurely(artifact, state));
  if (isIn("removed")) return true;
  if (rules.failedRuns && isIn("withdrawn")) return true;
  if (!isIn("live") || artifact.name === undefined || rules.maxVersions === undefined) return false;
  const name = model.names.get(artifact.name);
  const newer = (name?.versions ?? []).filter(
    (other) => other.version > artifact.version && (view === "may" ? other.may.has("live") : isSurely(other, "live")),
  ).length;
  // versions that nobody has told of yet are newer ones, or none
  return newer + (view === "may" ? (name?.pending.length ?? 0) : 0) >= rules.maxVersions;
}

function isSpared(model: Model, artifact: Artifact, view: "may" | "must"): boolean {
  const is = (set: ReadonlySet<boolean> | undefined): boolean => set !== undefined && set.has(true) && (view === "must" || !set.has(false));
  if (is(artifact.pinned) || is(model.held.get(artifact.content))) return true;
  const aliases = artifact.name === undefined ? [] : [...(model.names.get(artifact.name)?.aliases.values() ?? [])];
  return aliases.some((targets) => targets.has(artifact) && (view === "must" || targets.size === 1));
}
