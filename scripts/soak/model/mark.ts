import { words } from "../call.ts";
import { differ } from "../difference.ts";
import type { Action } from "./action.ts";
import { chosen, owned } from "./keep.ts";
import { mayBeGone, settle } from "./model.ts";
import type { Artifact } from "./model.ts";
import { changed, refOf } from "./world.ts";
import type { World } from "./world.ts";

/** A command about one artifact. `begins`: what may be so from now on; `done`, `gone`: what is so once it has said so. */
async function about(
  world: World,
  action: Action,
  artifact: Artifact,
  args: readonly string[],
  { begins, done, gone }: { begins: () => void; done: () => void; gone: () => void },
): Promise<void> {
  begins();
  changed(world);
  const called = await world.caller.call(args, action.trouble);
  if (called.killed) return;
  if (called.code === 0) done();
  else if (called.code === 4 && mayBeGone(world.model, artifact)) {
    gone();
    settle(artifact, "deleted");
  } else differ(words(called));
  changed(world);
}

export async function pin(world: World, action: Action): Promise<void> {
  const isPinned = action.deed === "unpin";
  const candidates = owned(world, action.worker, "live").filter(({ pinned }) => pinned.size === 1 && pinned.has(isPinned));
  for (const artifact of chosen(candidates, action.a))
    await about(world, action, artifact, [action.deed, refOf(world, artifact)], {
      begins: () => artifact.pinned.add(!isPinned),
      done: () => (artifact.pinned = new Set([!isPinned])),
      gone: () => (artifact.pinned = new Set([false])),
    });
}

const ALIASES = ["best", "prod"];

export async function alias(world: World, action: Action): Promise<void> {
  const word = ALIASES[action.b % ALIASES.length] as string;
  for (const artifact of chosen(
    owned(world, action.worker, "live").filter(({ name }) => name !== undefined),
    action.a,
  )) {
    const targets = targetsOf(world, artifact, word);
    const before = new Set(targets);
    await about(world, action, artifact, ["alias", artifact.key, word], {
      begins: () => targets.add(artifact),
      done: () => only(targets, [artifact]),
      gone: () => only(targets, before),
    });
  }
}

export async function unalias(world: World, action: Action): Promise<void> {
  const candidates = owned(world, action.worker, "live").flatMap((artifact) =>
    ALIASES.filter((word) => {
      const targets = artifact.name === undefined ? undefined : world.model.names.get(artifact.name)?.aliases.get(word);
      return targets?.size === 1 && targets.has(artifact);
    }).map((word) => ({ artifact, word })),
  );
  for (const { artifact, word } of chosen(candidates, action.a)) {
    const targets = targetsOf(world, artifact, word);
    await about(world, action, artifact, ["alias", `${artifact.name}@${word}`, "--remove"], {
      begins: () => targets.add(undefined),
      done: () => only(targets, [undefined]),
      gone: () => differ(`${artifact.key} has an alias and is gone`),
    });
  }
}

export async function tag(world: World, action: Action): Promise<void> {
  const value = String(action.b);
  for (const artifact of chosen(owned(world, action.worker, "live"), action.a)) {
    const before = new Set(artifact.tag);
    await about(world, action, artifact, ["tag", refOf(world, artifact), `t=${value}`], {
      begins: () => artifact.tag.add(value),
      done: () => only(artifact.tag, [value]),
      gone: () => only(artifact.tag, before),
    });
  }
}

export async function rm(world: World, action: Action): Promise<void> {
  const candidates = owned(world, action.worker, "live").filter((artifact) => !artifact.pinned.has(true) && !isAliased(world, artifact));
  for (const artifact of chosen(candidates, action.a))
    await about(world, action, artifact, ["rm", refOf(world, artifact)], {
      begins: () => artifact.may.add("removed"),
      done: () => settle(artifact, "removed"),
      gone: () => undefined,
    });
}

export async function restore(world: World, action: Action): Promise<void> {
  for (const artifact of chosen(owned(world, action.worker, "removed", "withdrawn"), action.a))
    await about(world, action, artifact, ["restore", refOf(world, artifact)], {
      begins: () => artifact.may.add("live"),
      done: () => settle(artifact, "live"),
      gone: () => undefined,
    });
}

function targetsOf({ model }: World, { name }: Artifact, word: string): Set<Artifact | undefined> {
  const aliases = model.names.get(name as string)?.aliases as Map<string, Set<Artifact | undefined>>;
  const targets = aliases.get(word) ?? new Set([undefined]);
  aliases.set(word, targets);
  return targets;
}

function isAliased({ model }: World, artifact: Artifact): boolean {
  const aliases = artifact.name === undefined ? [] : [...(model.names.get(artifact.name)?.aliases.values() ?? [])];
  return aliases.some((targets) => targets.has(artifact));
}

function only<T>(set: Set<T>, values: Iterable<T>): void {
  set.clear();
  for (const value of values) set.add(value);
}
