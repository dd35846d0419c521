import { words } from "../call.ts";
import { differ } from "../difference.ts";
import type { Action } from "./action.ts";
import { mayBeGone, settle } from "./model.ts";
import type { Artifact, Collection, Rules } from "./model.ts";
import { condemned, rulesArgs } from "./rules.ts";
import { changed } from "./world.ts";
import type { World } from "./world.ts";

/** `gc --apply` with some rules: it takes nothing that it may not, and, where nobody else is at work, all that it has to. */
export async function collect(world: World, action: Pick<Action, "a" | "b" | "trouble">): Promise<void> {
  const { model } = world;
  const rules: Rules = { maxVersions: action.a % 3 === 0 ? undefined : 1 + (action.a % 4), failedRuns: action.b % 2 === 0 };
  const collection: Collection = { rules, vulnerable: new Set() };
  const wanted = world.active <= 1 ? condemned(model, rules, "must") : new Set<Artifact>();
  const begun = world.begun;
  model.collections.add(collection);
  model.collected++;
  changed(world);
  const called = await world.caller.call(["gc", "--apply", "--yes", "--json", ...rulesArgs(rules)], action.trouble);
  changed(world);
  model.collections.delete(collection);
  if (called.killed) {
    for (const artifact of collection.vulnerable) artifact.may.add("deleted");
    return changed(world);
  }
  if (called.code !== 0) differ(words(called));
  const { deleted } = called.json<{ applied: { deleted: { kind: string; what: string }[] } }>().applied;
  const gone = deleted.filter(({ kind }) => kind === "artifact").map(({ what }) => what);
  for (const what of gone) {
    const artifact = known(world, what);
    if (!artifact) model.early.add(what);
    else if (collection.vulnerable.has(artifact) || mayBeGone(model, artifact)) settle(artifact, "deleted");
    else differ(`gc took ${artifact.key}, which it must not (${JSON.stringify(rules)})\n${words(called)}`);
  }
  if (begun !== world.begun) return changed(world);
  const taken = new Set(gone.map((what) => known(world, what)));
  const left = [...wanted].filter((artifact) => !taken.has(artifact));
  if (left.length > 0) differ(`gc left ${left.map(({ key }) => key).join(", ")} (${JSON.stringify(rules)})\n${words(called)}`);
  changed(world);
}

/** `what`: NAME@vN, or ID/PATH. */
export function known({ model }: World, what: string): Artifact | undefined {
  const direct = model.artifacts.get(what);
  if (direct) return direct;
  const [id = "", ...path] = what.split("/");
  const run = [...model.runs.values()].find((one) => one.id === id);
  return run && model.artifacts.get(`${run.name}/${path.join("/")}`);
}
