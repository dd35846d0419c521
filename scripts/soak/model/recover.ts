import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { words } from "../call.ts";
import { differ } from "../difference.ts";
import type { Action } from "./action.ts";
import { chosen } from "./keep.ts";
import { isSurely } from "./model.ts";
import type { World } from "./world.ts";

/** `rebuild --force`, when nobody is at work; where it was killed, it is called again, as docs/recovery.md says. */
export function rebuild(world: World, action: Action): void {
  const { caller, model, root } = world;
  world.later.push(async () => {
    // runs that died are closed first: a rebuild knows of what they logged only by their manifests
    await caller.call(["runs", "--limit", "1"]);
    let called = await caller.call(["rebuild", "--force"], action.trouble);
    if (called.killed && !existsSync(join(root, "coffer.db"))) called = await caller.call(["rebuild"]);
    if (!called.killed && called.code !== 0) differ(words(called));
    // who holds what is lost with a database
    for (const [content, held] of model.held) model.held.set(content, called.killed ? new Set([...held, false]) : new Set([false]));
  });
}

/** Files of blobs are lost whose bytes are in a workspace still; `verify --repair` brings them back, or, where it was killed, the next one does. */
export function mend(world: World, action: Action): void {
  const { caller, model, root, contents } = world;
  world.later.push(async () => {
    const binaries = join(root, "binaries/default");
    const kept = [...model.artifacts.values()].filter(
      (artifact) =>
        artifact.run?.policy === "separated" &&
        artifact.run.state === "finished" &&
        isSurely(artifact, "live") &&
        !contents.isTree(artifact.content) &&
        existsSync(join(root, "work/runs", artifact.run.id as string)),
    );
    for (const artifact of chosen(kept, action.a)) {
      const hex = (model.digests.get(artifact.content) as string).slice("blake3:".length, "blake3:".length + 12);
      for (const name of readdirSync(binaries)) if (name.includes(`_${hex}`)) rmSync(join(binaries, name));
      let called = await caller.call(["verify", "--repair"], action.trouble);
      if (called.killed) called = await caller.call(["verify", "--repair"]);
      if (called.code !== 0) differ(words(called));
    }
  });
}
