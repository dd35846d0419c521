import { existsSync } from "node:fs";
import { join } from "node:path";
import { words } from "../call.ts";
import { POOL_SIZE } from "../contents.ts";
import { differ } from "../difference.ts";
import type { Action } from "./action.ts";
import { addArtifact, isSurely, mayBeGone, nameOf, settle } from "./model.ts";
import type { Artifact, Name, Pending, Run } from "./model.ts";
import { changed, refOf } from "./world.ts";
import type { World } from "./world.ts";

interface Told {
  ref: string;
  name: string | null;
  version: number;
  digest: string;
  path: string;
  state: string;
}

/** `log FILE|DIRECTORY --name NAME`, or made from something else of this process's. */
export async function log(world: World, action: Action): Promise<void> {
  const { model, caller, contents } = world;
  const name = nameOf(model, action.worker, action.a);
  const content = contentOf(action.worker, action.b);
  const needs = action.deed === "derive" ? chosen(owned(world, action.worker, "live"), action.c) : [];
  const pending: Pending = { content, needs, run: undefined, state: "live" };
  name.pending.push(pending);
  changed(world);
  const dependencies = needs.flatMap((needed) => ["--depends-on", refOf(world, needed)]);
  const called = await caller.call(["log", contents.path(content), "--name", name.name, "--json", ...dependencies], action.trouble);
  if (called.killed) return;
  if (called.code === 4 && needs.some((needed) => mayBeGone(model, needed))) {
    for (const needed of needs) settle(needed, "deleted");
    return forget(name, pending);
  }
  if (called.code !== 0) differ(words(called));
  accept(world, name, pending, called.json<{ artifacts: [Told] }>().artifacts[0]);
}

/** `run`: two outputs, one of them under a name; scratch or separated; one in four fails, one in three reads something. */
export async function run(world: World, action: Action): Promise<void> {
  const { model, caller, contents } = world;
  const { worker, a, b, c } = action;
  const name = nameOf(model, worker, a);
  const needs = a % 3 === 0 ? chosen(owned(world, worker, "live"), c) : [];
  const made: Run = {
    name: `run-${worker}-${model.runs.size}`,
    policy: c % 2 === 0 ? "scratch" : "separated",
    fails: b % 4 === 0,
    outputs: [
      { path: "model.bin", content: contentOf(worker, b), register: name },
      { path: "out", content: contentOf(worker, c), register: undefined },
    ],
    needs,
    state: undefined,
    id: undefined,
  };
  model.runs.set(made.name, made);
  const state = made.fails ? "withdrawn" : "live";
  const [{ content }, { content: other }] = made.outputs as [Run["outputs"][0], Run["outputs"][0]];
  const pending: Pending = { content, needs, run: made, state };
  name.pending.push(pending);
  const out = addArtifact(model, {
    key: `${made.name}/out`,
    owner: worker,
    name: undefined,
    version: 0,
    content: other,
    needs,
    run: made,
    may: ["absent", state],
  });
  changed(world);
  const script = `cp -r "$0" "$COFFER_WORKSPACE/model.bin" && cp -r "$1" "$COFFER_WORKSPACE/out" && : >"$2"; exit ${made.fails ? 3 : 0}`;
  const flags = ["--name", made.name, "--policy", made.policy, "--register", `${name.name}=model.bin`];
  const inputs = needs.flatMap((needed) => ["--input", refOf(world, needed)]);
  const child = ["sh", "-c", script, contents.path(content), contents.path(other), markOf(world, made)];
  const called = await caller.call(["run", "--json", ...flags, ...inputs, "--", ...child], action.trouble);
  if (called.killed) return;
  if (called.code === 125 && needs.some((needed) => mayBeGone(model, needed))) {
    for (const needed of needs) settle(needed, "deleted");
    made.state = "absent";
    model.artifacts.delete(out.key);
    return forget(name, pending);
  }
  if (called.code !== (made.fails ? 3 : 0)) differ(words(called));
  const document = called.json<{ id: string; state: string; workspace: string; artifacts: Told[] }>();
  made.id = document.id;
  made.state = made.fails ? "failed" : "finished";
  // a gc may take what a failed run has withdrawn before that run tells of it
  const mayLack = made.fails && model.collected > 0;
  if (document.state !== made.state || (document.artifacts.length !== 2 && !mayLack)) differ(words(called));
  if (existsSync(document.workspace) === (made.policy === "scratch" && !made.fails))
    differ(`a workspace that should not be so\n${words(called)}`);
  for (const told of document.artifacts) {
    if (told.name !== null) accept(world, name, pending, told);
    else {
      settle(out, state);
      learn(world, out.content, told.digest);
      if (model.early.delete(told.ref)) settle(out, "deleted");
    }
  }
  if (document.artifacts.every(({ name: told }) => told !== null)) settle(out, "deleted");
  changed(world);
}

/** What the child of a run leaves when its outputs are all in the workspace. */
export function markOf(world: World, { name }: Run): string {
  return join(world.directory, "marks", name);
}

/** A command says that it made a version. */
function accept(world: World, name: Name, pending: Pending, told: Told): void {
  const { model } = world;
  const last = name.versions.at(-1)?.version ?? 0;
  const most = last + name.slack + name.pending.length;
  if (told.version <= last || told.version > most) differ(`${told.ref}: the number should be from ${last + 1} to ${most}`);
  forget(name, pending);
  name.slack = 0;
  const state = pending.state;
  const key = `${name.name}@v${told.version}`;
  const artifact = addArtifact(model, {
    key,
    owner: name.owner,
    name: name.name,
    version: told.version,
    content: pending.content,
    needs: pending.needs,
    run: pending.run,
    may: [state],
  });
  learn(world, pending.content, told.digest);
  if (model.early.delete(key)) settle(artifact, "deleted");
  changed(world);
}

/** The same bytes have one digest, whoever keeps them. */
export function learn({ model }: World, content: number, digest: string): void {
  const known = model.digests.get(content);
  if (known !== undefined && known !== digest) differ(`content ${content} has two digests, ${known} and ${digest}`);
  model.digests.set(content, digest);
}

function forget(name: Name, pending: Pending): void {
  name.pending = name.pending.filter((other) => other !== pending);
}

/** Mostly what everybody keeps. */
function contentOf(worker: number, number: number): number {
  return number % 10 < 8 ? number % POOL_SIZE : POOL_SIZE + worker * 1000 + number;
}

/** What a process may act upon: what is certainly so. */
export function owned({ model }: World, worker: number, ...states: ("live" | "removed" | "withdrawn")[]): Artifact[] {
  return [...model.artifacts.values()].filter(
    (artifact) =>
      artifact.owner === worker &&
      states.some((state) => isSurely(artifact, state)) &&
      (artifact.name !== undefined || artifact.run?.id !== undefined),
  );
}

export function chosen<T>(from: readonly T[], number: number): T[] {
  return from.length === 0 ? [] : [from[number % from.length] as T];
}
