import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { words } from "../call.ts";
import type { Called } from "../call.ts";
import { POOL_SIZE } from "../contents.ts";
import { differ } from "../difference.ts";
import type { Action } from "./action.ts";
import { chosen, owned } from "./keep.ts";
import { mayBeGone, settle } from "./model.ts";
import type { Artifact } from "./model.ts";
import { changed, refOf } from "./world.ts";
import type { World } from "./world.ts";

/** `get -o`: all of it or nothing, also where it is killed. */
export async function get(world: World, action: Action): Promise<void> {
  for (const artifact of chosen(owned(world, action.worker, "live"), action.a)) {
    const target = world.fresh();
    const called = await world.caller.call(["get", refOf(world, artifact), "-o", target], action.trouble);
    if (isThere(world, artifact, called) || (called.killed && existsSync(target))) compareBytes(world, artifact, target);
    rmSync(target, { recursive: true, force: true });
  }
}

/** `get`: the path of bytes that nothing takes for an hour, since this very process has asked for them. */
export async function hold(world: World, action: Action): Promise<void> {
  // what all keep would be held for good, and gc would have nothing to do
  const own = owned(world, action.worker, "live").filter(({ content }) => content >= POOL_SIZE);
  for (const artifact of chosen(own, action.a)) {
    const { held } = world.model;
    const before = held.get(artifact.content) ?? new Set([false]);
    held.set(artifact.content, new Set([...before, true]));
    const called = await world.caller.call(["get", refOf(world, artifact), "--json"], action.trouble);
    if (called.killed) return;
    const isHeld = isThere(world, artifact, called);
    held.set(artifact.content, isHeld ? new Set([true]) : before);
    // a copy in the cache may be gone by now
    const { path } = isHeld ? called.json<{ path: string }>() : { path: "" };
    if (isHeld && existsSync(path) && !path.startsWith(join(world.root, "cache"))) compareBytes(world, artifact, path);
    changed(world);
  }
}

function isThere(world: World, artifact: Artifact, called: Called): boolean {
  if (called.killed) return false;
  if (called.code === 0) return true;
  if (called.code !== 4 || !mayBeGone(world.model, artifact)) differ(words(called));
  settle(artifact, "deleted");
  return false;
}

function compareBytes({ contents }: World, artifact: Artifact, path: string): void {
  const difference = contents.difference(artifact.content, path);
  if (difference !== undefined) differ(`${artifact.key}: ${difference}`);
}

/** Commands that only look, and those that one may call at any time. */
export async function look(world: World, action: Action): Promise<void> {
  const [artifact] = chosen(owned(world, action.worker, "live"), action.b);
  const ref = artifact && refOf(world, artifact);
  const ways = [["ls"], ["runs"], ["stats"], ["gc", "--max-versions", "1"], ["artifacts", "list-orphaned"], ["doctor"]];
  if (ref !== undefined) ways.push(["show", ref], ["lineage", ref], ["gc", "why", ref], ["get", ref, "--with-deps", "-o", world.fresh()]);
  const called = await world.caller.call([...(ways[action.a % ways.length] as string[]), "--json"], action.trouble);
  // with --with-deps 3: something that it was made from is gone
  if (called.killed || called.code === 0 || (called.code === 3 && called.args.includes("--with-deps"))) return;
  if (called.code !== 4 || !artifact || !mayBeGone(world.model, artifact)) differ(words(called));
}

export async function verify(world: World, action: Action): Promise<void> {
  const called = await world.caller.call(["verify", "--json", ...(action.a % 2 === 0 ? ["--repair"] : [])], action.trouble);
  if (!called.killed && called.code !== 0) differ(words(called));
}

export async function cache(world: World, action: Action): Promise<void> {
  const [artifact] = chosen(owned(world, action.worker, "live"), action.b);
  const ways = [
    ["cache", "clear"],
    ["cache", "set-size", "--max-size", "1MB"],
    ["cache", "set-size", "--max-size", "1GB"],
  ];
  if (artifact) ways.push(["cache", "preload", refOf(world, artifact)]);
  const called = await world.caller.call(ways[action.a % ways.length] as string[], action.trouble);
  if (called.killed || called.code === 0) return;
  if (called.code !== 4 || !artifact || !mayBeGone(world.model, artifact)) differ(words(called));
}

/** `manifest export --with-bytes`, and an import of it into another store, which has the same then. Where others are at work gc may take what is exported. */
export function exportRun(world: World, action: Action): void {
  const { caller, model } = world;
  world.later.push(async () => {
    const run = [...model.runs.values()].filter(
      // what others were made from would have to come along
      ({ id, state, needs }) => id !== undefined && state === "finished" && needs.length === 0,
    )[action.a % 7];
    if (run?.id === undefined) return;
    const target = world.fresh();
    const exported = await caller.call(["manifest", "export", run.id, "--with-bytes", "-o", target]);
    if (exported.code !== 0) differ(words(exported));
    const root = ["--root", world.fresh()];
    const imported = await caller.call(["manifest", "import", target, "--copy", ...root]);
    if (imported.code !== 0) differ(words(imported));
    const { artifacts } = (await caller.call(["ls", "--json", ...root])).json<{ artifacts: { ref: string; digest: string }[] }>();
    const wanted = [...model.artifacts.values()].filter(
      (artifact) => artifact.run === run && artifact.may.has("live") && artifact.may.size === 1,
    );
    const digests = artifacts.map(({ digest }) => digest).toSorted();
    const expected = wanted.map(({ content }) => model.digests.get(content) as string).toSorted();
    if (digests.join() !== expected.join())
      differ(`${run.name} was exported and imported: ${digests.join(", ")} in place of ${expected.join(", ")}`);
    const checked = await caller.call(["verify", ...root]);
    if (checked.code !== 0) differ(words(checked));
  });
}
