import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "../files-below.ts";
import { differ } from "../difference.ts";
import { must } from "./must.ts";
import { markOf } from "./keep.ts";
import type { Run } from "./model.ts";
import type { World } from "./world.ts";

interface Listed {
  id: string;
  name: string | null;
  kind: string;
  state: "running" | "finished" | "failed" | "killed";
}

/** Each run is there once, in the state that it ended in; one whose wrapper died was adopted, and its workspace is as its child left it. */
export async function compareRuns(world: World): Promise<void> {
  const { model } = world;
  const { runs } = (await must(world, ["runs", "--all", "--limit", "0", "--json"])).json<{ runs: Listed[] }>();
  const wrapped = runs.filter(({ kind }) => kind === "wrapped");
  const byName = new Map(wrapped.map((run) => [run.name, run]));
  if (byName.size !== wrapped.length) differ("a run is there twice");
  const strange = wrapped.find(({ name }) => name === null || !model.runs.has(name));
  if (strange) differ(`nobody has begun the run ${strange.name ?? strange.id}`);
  for (const run of model.runs.values()) {
    const there = byName.get(run.name);
    const state = there?.state ?? "absent";
    if (state === "running") return differ(`${run.name} is running, and its processes are gone`);
    if (run.state !== undefined) {
      if (state !== run.state || there?.id !== run.id) differ(`${run.name} is ${state}, and should be ${run.state}`);
      continue;
    }
    if (state === (run.fails ? "finished" : "failed")) differ(`${run.name} is ${state} although its command did otherwise`);
    run.state = state;
    run.id = there?.id;
    compareWorkspace(world, run);
    settleOutputs(world, run);
  }
}

/** Of a run whose wrapper or all of it was killed. */
function compareWorkspace(world: World, { id, name, state, policy, outputs, ...run }: Run): void {
  if (state === "absent" || state === undefined) return;
  const workspace = join(world.root, "work/runs", id as string);
  const isMade = existsSync(markOf(world, { id, name, state, policy, outputs, ...run }));
  if (state !== "killed" && !isMade) differ(`${name} is ${state}, and its command did not end`);
  if (state === "finished" && policy === "scratch") {
    // what was copied into the store may stay where the removal was cut short; what was moved may not: who writes to it would write into the store
    const shared = filesBelow(workspace).find((file) => lstatSync(join(workspace, file)).nlink > 1);
    if (shared !== undefined) differ(`${name} is finished, and its scratch workspace has ${shared}, whose bytes are a blob's`);
    return;
  }
  if (!isMade) return;
  for (const { path, content } of outputs) {
    const file = join(workspace, path);
    const difference = existsSync(file) ? world.contents.difference(content, file) : `${file} is gone`;
    if (difference !== undefined) differ(`${name} is ${state}, and ${difference}`);
  }
}

/** It ended by itself and has all its outputs, or it has none. */
function settleOutputs({ model }: World, run: Run): void {
  const hasOutputs = run.state === "finished" || run.state === "failed";
  for (const artifact of model.artifacts.values())
    if (artifact.run === run) {
      if (hasOutputs) artifact.may.delete("absent");
      else artifact.may = new Set(["absent"]);
    }
  if (hasOutputs) return;
  for (const name of model.names.values()) name.pending = name.pending.filter((pending) => pending.run !== run);
}
