import type { GraphNode } from "../../db/records/graph-nodes.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";

/** What hangs on an artifact: everything that was made from it, and from that. */
export interface Impact {
  /** How many artifacts there are, but for those that are deleted. */
  artifacts: number;
  deleted: number;
  /** How many runs made them. */
  runs: number;
  /** How many names they have. */
  names: number;
  /** Those that are the newest version of their name. */
  newest: string[];
  pinned: string[];
  /** As `name@alias`. */
  aliased: string[];
  /** How many of them keep gc from deleting the artifact for as long as they stay. */
  holders: number;
  /** Those of the holders that no rule of gc takes. */
  lasting: string[];
}

/** `edges` are all that lead down from the root, `nodes` are all that they lead to. */
export function impactOf(root: number, nodes: readonly GraphNode[], edges: readonly { artifact: number; dependency: number }[]): Impact {
  const below = nodes.filter((node) => node.seq !== root);
  const kept = below.filter((node) => node.state !== "deleted");
  const holders = holdersOf(root, new Set(kept.map((node) => node.seq)), edges);
  const lasts = (node: GraphNode): boolean => node.newest === 1 || node.pinned === 1 || node.aliases !== null;
  return {
    artifacts: kept.length,
    deleted: below.length - kept.length,
    runs: new Set(kept.map((node) => node.run)).size,
    names: new Set(kept.flatMap((node) => node.name ?? [])).size,
    newest: kept.filter((node) => node.newest === 1).map(artifactRef),
    pinned: kept.filter((node) => node.pinned === 1).map(artifactRef),
    aliased: kept.flatMap((node) => (JSON.parse(node.aliases ?? "[]") as string[]).map((alias) => `${node.name}@${alias}`)),
    holders: holders.size,
    lasting: kept.filter((node) => holders.has(node.seq) && lasts(node)).map(artifactRef),
  };
}

/** What a tombstone alone connects with the root holds nothing: the bytes between them are gone already. */
function holdersOf(root: number, kept: ReadonlySet<number>, edges: readonly { artifact: number; dependency: number }[]): Set<number> {
  const made = Map.groupBy(edges, (edge) => edge.dependency);
  const holders = new Set<number>();
  // grows while it is read
  const way = [root];
  for (const seq of way)
    for (const { artifact } of made.get(seq) ?? []) {
      if (artifact === root || holders.has(artifact) || !kept.has(artifact)) continue;
      holders.add(artifact);
      way.push(artifact);
    }
  return holders;
}
