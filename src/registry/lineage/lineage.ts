import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as edges from "../../db/records/edges.ts";
import type { Direction, GraphEdge } from "../../db/records/edges.ts";
import { graphNodes } from "../../db/records/graph-nodes.ts";
import type { GraphNode } from "../../db/records/graph-nodes.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";
import { dependencyOrder } from "../../domain/dependency-order.ts";
import type { Store } from "../../store/store.ts";
import { impactOf } from "./impact.ts";
import type { Impact } from "./impact.ts";

export interface LineageNode {
  uid: string;
  ref: string;
  id: string;
  run: string;
  path: string;
  name: string | null;
  version: number;
  type: string;
  class: string | null;
  kind: "file" | "tree";
  size: number;
  digest: string;
  state: "live" | "withdrawn" | "removed" | "deleted";
  created_at: string;
  description: string | null;
  aliases: string[];
  pinned: boolean;
  /** The newest version in sight of its name. */
  newest: boolean;
  /** Edges on the shortest way to the root of the graph; negative where the root was made from it. */
  steps: number;
}

export interface LineageEdge {
  /** uid of what was made. */
  artifact: string;
  /** uid of what it was made from. */
  dependency: string;
  role: string;
  position: number;
  /** Nobody named it: the run that made the artifact had read the dependency. */
  implicit: boolean;
  /** The dependency changed while the run was reading it. */
  changed: boolean;
}

export interface Lineage {
  /** uid of the artifact that was asked for. */
  root: string;
  direction: Direction | "both";
  /** How many steps were asked for; null for all. */
  depth: number | null;
  /** How many artifacts are one step beyond `depth`. */
  hidden: number;
  /** Each once, behind all that it was made from. */
  nodes: LineageNode[];
  /** In the order of the nodes that were made, and of their positions there. */
  edges: LineageEdge[];
  /** Going down: of all that was made from it, whatever `depth` says. */
  impact: Impact | null;
}

/** What an artifact was made from, and what was made from it: of everything at most `depth` steps away. */
export function lineage(store: Store, root: ArtifactRow, direction: Direction | "both", depth: number | null): Lineage {
  const limit = depth ?? Number.POSITIVE_INFINITY;
  const found: GraphEdge[] = [];
  const collect = (edge: GraphEdge): void => void found.push(edge);
  // one step more tells which edges there are between the last, and what is left out
  const up = direction === "down" ? new Map<number, number>() : edges.walk(store.db, root.seq, "up", limit + 1, collect);
  const all = direction === "down" ? Number.POSITIVE_INFINITY : limit + 1;
  const down = direction === "up" ? new Map<number, number>() : edges.walk(store.db, root.seq, "down", all, collect);

  const steps = new Map([[root.seq, 0]]);
  for (const [seq, distance] of up) if (distance <= limit) steps.set(seq, 0 - distance);
  for (const [seq, distance] of down) if (distance <= limit && !steps.has(seq)) steps.set(seq, distance);
  const hidden = [...up.values(), ...down.values()].filter((distance) => distance === limit + 1).length;

  // what was made from the root and, past it, from something above the root
  if (direction === "both") {
    const below = [...steps].flatMap(([seq, distance]) => (distance > 0 ? [seq] : []));
    for (const edge of edges.leadingFrom(store.db, "up", below)) if ((steps.get(edge.dependency) ?? 0) < 0) found.push(edge);
  }

  const facts = graphNodes(store.db, [...new Set([...steps.keys(), ...(direction === "down" ? down.keys() : [])])]);
  const bySeq = new Map(facts.map((node) => [node.seq, node]));
  const shown = found.filter((edge) => steps.has(edge.artifact) && steps.has(edge.dependency));
  const made = Map.groupBy(shown, (edge) => edge.artifact);
  for (const its of made.values()) its.sort((one, other) => one.position - other.position || one.dependency - other.dependency);
  const order = dependencyOrder(
    facts.flatMap(({ seq }) => (steps.has(seq) ? [seq] : [])),
    (seq) => (made.get(seq) ?? []).map((edge) => edge.dependency),
  );
  const uid = (seq: number): string => (bySeq.get(seq) as GraphNode).uid;
  return {
    root: root.uid,
    direction,
    depth,
    hidden,
    nodes: order.map((seq) => toNode(bySeq.get(seq) as GraphNode, steps.get(seq) as number)),
    edges: order.flatMap((seq) => made.get(seq) ?? []).map((edge) => toEdge(edge, uid)),
    impact: direction === "down" ? impactOf(root.seq, facts, found) : null,
  };
}

function toNode(node: GraphNode, steps: number): LineageNode {
  return {
    uid: node.uid,
    ref: artifactRef(node),
    id: node.id,
    run: node.run,
    path: node.path,
    name: node.name,
    version: node.version,
    type: node.type,
    class: node.class,
    kind: node.kind,
    size: node.size,
    digest: node.digest,
    state: node.state,
    created_at: new Date(node.created_at).toISOString(),
    description: node.description,
    aliases: node.aliases === null ? [] : (JSON.parse(node.aliases) as string[]),
    pinned: node.pinned === 1,
    newest: node.newest === 1,
    steps,
  };
}

function toEdge(edge: GraphEdge, uid: (seq: number) => string): LineageEdge {
  return {
    artifact: uid(edge.artifact),
    dependency: uid(edge.dependency),
    role: edge.role,
    position: edge.position,
    implicit: edge.implicit === 1,
    changed: edge.changed === 1,
  };
}
