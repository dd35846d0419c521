import { differ } from "../difference.ts";
import { must } from "./must.ts";
import { isSurely } from "./model.ts";
import type { Artifact } from "./model.ts";
import { refOf } from "./world.ts";
import type { World } from "./world.ts";

interface Shown {
  id: string;
  pinned: boolean;
  aliases: string[];
  tags: Record<string, string>;
  depends_on: string[];
  digest: string;
}

/** Pins, tags, aliases and edges: of each artifact in sight of which something is not certain, and of some others. `ids`: by key, of those that are there. */
export async function compareMarks(world: World, ids: ReadonlyMap<string, string>): Promise<void> {
  const { model, begun, samples } = world;
  const there = [...model.artifacts.values()].filter((artifact) => isSurely(artifact, "live"));
  const open = there.filter((artifact) => isOpen(world, artifact));
  const others = there.filter((artifact) => !open.includes(artifact));
  const looked = [...open, ...(samples === 0 ? [] : others.filter((_, nth) => (nth + begun) % Math.ceil(others.length / samples) === 0))];
  for (const artifact of looked) {
    const shown = (await must(world, ["show", refOf(world, artifact), "--json"])).json<Shown>();
    compareOne(world, artifact, shown);
    for (const needed of artifact.needs) {
      const id = ids.get(needed.key);
      if (id !== undefined && !shown.depends_on.includes(id)) differ(`${artifact.key} was made from ${needed.key}, and does not say so`);
    }
    if (shown.depends_on.length !== artifact.needs.length)
      differ(`${artifact.key} depends on ${shown.depends_on.join(", ")} in place of ${artifact.needs.map(({ key }) => key).join(", ")}`);
  }
  // what no version has been found to have points nowhere
  for (const { aliases } of model.names.values())
    for (const targets of aliases.values()) if (targets.size > 1) for (const one of targets) if (one !== undefined) targets.delete(one);
}

function compareOne({ model }: World, artifact: Artifact, { pinned, aliases, tags }: Shown): void {
  const tag = tags["t"] ?? "";
  if (!artifact.pinned.has(pinned)) differ(`${artifact.key} is ${pinned ? "" : "not "}pinned`);
  if (!artifact.tag.has(tag)) differ(`${artifact.key} has the tag “${tag}” in place of ${[...artifact.tag].join(" or ")}`);
  artifact.pinned = new Set([pinned]);
  artifact.tag = new Set([tag]);
  for (const [alias, targets] of model.names.get(artifact.name ?? "")?.aliases ?? []) {
    const has = aliases.includes(alias);
    if (has ? !targets.has(artifact) : targets.size === 1 && targets.has(artifact))
      differ(`${artifact.key} ${has ? "has" : "lacks"} the alias ${alias}`);
    if (has) for (const other of targets) if (other !== artifact) targets.delete(other);
    if (!has) targets.delete(artifact);
  }
}

function isOpen({ model }: World, artifact: Artifact): boolean {
  if (artifact.pinned.size + artifact.tag.size > 2) return true;
  return [...(model.names.get(artifact.name ?? "")?.aliases.values() ?? [])].some((targets) => targets.size > 1 && targets.has(artifact));
}
