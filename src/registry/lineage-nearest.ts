import type { Lineage, LineageEdge } from "./lineage.ts";

/** A part of a lineage that can be drawn. */
export interface Neighbourhood {
  lineage: Lineage;
  /** How much of it does not fit. */
  left: { nodes: number; edges: number };
}

/**
 * The `limit` artifacts that are nearest to the root, and the edges between them; of more than `maxEdges` those between the nearest. Of equally near ones those
 * that stand first. Whatever is kept still hangs together.
 */
export function nearest(lineage: Lineage, limit: number, maxEdges: number): Neighbourhood {
  const distance = new Map(lineage.nodes.map((node) => [node.uid, Math.abs(node.steps)]));
  const near = lineage.nodes.toSorted((one, other) => Math.abs(one.steps) - Math.abs(other.steps)).slice(0, limit);
  const kept = new Set(near.map((node) => node.uid));
  const between = lineage.edges.filter((edge) => kept.has(edge.artifact) && kept.has(edge.dependency));
  const chosen = new Set(between.length > maxEdges ? between.toSorted(byDistance).slice(0, maxEdges) : between);
  const reached = new Set([lineage.root, ...[...chosen].flatMap((edge) => [edge.artifact, edge.dependency])]);
  const nodes = lineage.nodes.filter((node) => kept.has(node.uid) && reached.has(node.uid));
  const edges = lineage.edges.filter((edge) => chosen.has(edge));
  return {
    lineage: { ...lineage, nodes, edges },
    left: { nodes: lineage.nodes.length - nodes.length, edges: lineage.edges.length - edges.length },
  };

  /** An edge that leads to somewhere comes before those within the same distance: without it they would hang in the air. */
  function byDistance(one: LineageEdge, other: LineageEdge): number {
    const [near, far] = endsOf(one);
    const [otherNear, otherFar] = endsOf(other);
    return far - otherFar || near - otherNear;
  }

  function endsOf(edge: LineageEdge): [near: number, far: number] {
    const ends = [edge.artifact, edge.dependency].map((uid) => distance.get(uid) ?? 0);
    return [Math.min(...ends), Math.max(...ends)];
  }
}
