import type { Lineage } from "./lineage.ts";

/** A part of a lineage that can be drawn. */
export interface Neighbourhood {
  lineage: Lineage;
  /** How much of it is left out. */
  left: { nodes: number; edges: number };
}

/**
 * The `limit` artifacts that are nearest to the root, and all edges between them; of equally near ones those that stand first. Since whatever leads to one that is kept
 * is nearer, what is kept hangs together.
 */
export function nearest(lineage: Lineage, limit: number): Neighbourhood {
  const kept = new Set(
    lineage.nodes
      .toSorted((one, other) => Math.abs(one.steps) - Math.abs(other.steps))
      .slice(0, limit)
      .map((node) => node.uid),
  );
  const nodes = lineage.nodes.filter((node) => kept.has(node.uid));
  const edges = lineage.edges.filter((edge) => kept.has(edge.artifact) && kept.has(edge.dependency));
  return {
    lineage: { ...lineage, nodes, edges },
    left: { nodes: lineage.nodes.length - nodes.length, edges: lineage.edges.length - edges.length },
  };
}
