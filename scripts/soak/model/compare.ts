import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { words } from "../call.ts";
import { differ } from "../difference.ts";
import { known } from "./collect.ts";
import { learn } from "./keep.ts";
import { addArtifact, isSurely, settle } from "./model.ts";
import type { Artifact, Name, State } from "./model.ts";
import { compareMarks } from "./compare-marks.ts";
import { compareRuns } from "./compare-runs.ts";
import { must } from "./must.ts";
import { changed, refOf } from "./world.ts";
import type { World } from "./world.ts";

export interface Listed {
  id: string;
  ref: string;
  run: string;
  name: string | null;
  version: number;
  path: string;
  digest: string;
  state: State;
}

/**
 * Holds the store against the model, when nobody is at work: what is certain must be so, and of what was killed all must be there or nothing. What
 * several states were possible of is known then.
 */
export async function compare(world: World): Promise<void> {
  const { model, root } = world;
  await compareRuns(world);
  const { artifacts } = (await must(world, ["ls", "--all", "--limit", "0", "--json"])).json<{ artifacts: Listed[] }>();
  const ids = new Map([...model.runs.values()].map((run) => [run.id, run.name]));
  const found = new Map(
    artifacts.map((one) => [one.name === null ? `${ids.get(one.run)}/${one.path}` : `${one.name}@v${one.version}`, one]),
  );
  const unseen = findUnknown(world, found);
  settleEarly(world);
  for (const artifact of model.artifacts.values()) {
    const one = found.get(artifact.key);
    const is: State = one?.state ?? (artifact.may.has("absent") ? "absent" : "deleted");
    if (!artifact.may.has(is)) differ(`${artifact.key} is ${is}, and should be ${[...artifact.may].join(" or ")}`);
    artifact.may = new Set([is]);
    if (one) learn(world, artifact.content, one.digest);
    if (is === "absent") model.artifacts.delete(artifact.key);
  }
  await compareMarks(world, new Map([...found].map(([key, { id }]) => [key, id])));
  await compareBytes(world, [...unseen.filter((artifact) => isSurely(artifact, "live")), ...some(world)]);
  const verified = await must(world, ["verify", "--json"]);
  const left = readdirSync(join(root, "tmp"));
  if (left.length > 0) differ(`tmp/ has ${left.join(", ")} although nobody is at work`);
  if (verified.json<{ damage: unknown[] }>().damage.length > 0) differ(words(verified));
  changed(world);
}

/** After a gc that nobody disturbed: no file without a row, and each blob once, for as long as something has it. */
export async function compareStored(world: World): Promise<void> {
  const { blobs, strays } = (await must(world, ["verify", "--json"])).json<{ blobs: number; strays: { path: string }[] }>();
  if (strays.length > 0) differ(`no row names ${strays.map(({ path }) => path).join(", ")}`);
  const there = [...world.model.artifacts.values()].filter((artifact) => !isSurely(artifact, "deleted"));
  const expected = new Set(there.flatMap(({ content }) => world.contents.blobs(content)));
  if (blobs !== expected.size) differ(`${blobs} blobs are stored; the artifacts have ${expected.size}`);
}

/** What a killed command has made: each is one of those that it was to make, in their order. */
function findUnknown(world: World, found: ReadonlyMap<string, Listed>): Artifact[] {
  const { model } = world;
  const unknown = [...found].filter(([key]) => !model.artifacts.has(key));
  const made: Artifact[] = [];
  for (const [key, one] of unknown.toSorted(([, a], [, b]) => a.version - b.version)) {
    const name = one.name === null ? undefined : model.names.get(one.name);
    const nth = name?.pending.findIndex((pending) => isOf(world, pending, one)) ?? -1;
    const pending = name?.pending[nth];
    if (!name || !pending) return differ(`${key} (${one.state}) is there, and nobody has kept it`);
    const { content, needs, run, state } = pending;
    name.slack += nth;
    name.pending.splice(0, nth + 1);
    made.push(
      addArtifact(model, {
        key,
        owner: name.owner,
        name: name.name,
        version: one.version,
        content,
        needs,
        run,
        may: one.state === "deleted" ? ["deleted"] : [state],
      }),
    );
  }
  for (const name of model.names.values()) forgetPending(world, name);
  return made;
}

function isOf({ model }: World, { content, run, state }: Name["pending"][number], one: Listed): boolean {
  const digest = model.digests.get(content);
  // a gc may have taken it since
  const isSo = one.state === state || (one.state === "deleted" && model.collected > 0);
  return isSo && (digest === undefined || digest === one.digest) && (run === undefined || run.id === one.run);
}

/** Nothing is to be seen of the others. A run that ended by itself has all its outputs, or gc has taken some. */
function forgetPending({ model }: World, name: Name): void {
  const lost = name.pending.find(({ run }) => run?.state === "finished" || run?.state === "failed");
  if (lost && model.collected === 0) differ(`${lost.run?.name} has ended and lacks its output ${name.name}`);
  name.slack += name.pending.length;
  name.pending = [];
}

/** A gc told of these before those that made them did, or they were killed. */
function settleEarly(world: World): void {
  const { model } = world;
  for (const what of model.early) {
    const artifact = known(world, what);
    const name = model.names.get(what.split("@v")[0] ?? "");
    if (artifact) settle(artifact, "deleted");
    else if (!name || name.slack === 0) differ(`gc took ${what}, and nobody has kept it`);
  }
  model.early.clear();
}

/** Some that are there, others each time. */
function some({ model, begun, samples }: World): Artifact[] {
  const there = [...model.artifacts.values()].filter((artifact) => isSurely(artifact, "live"));
  return Array.from({ length: Math.min(samples, there.length) }, (_, nth) => there[(begun * 7 + nth * 13) % there.length] as Artifact);
}

async function compareBytes(world: World, artifacts: readonly Artifact[]): Promise<void> {
  for (const artifact of artifacts) {
    const target = world.fresh();
    await must(world, ["get", refOf(world, artifact), "-o", target]);
    const difference = existsSync(target) ? world.contents.difference(artifact.content, target) : `there is no ${target}`;
    if (difference !== undefined) differ(`${artifact.key}: ${difference}`);
  }
}
