import { artifactRef } from "../../domain/artifact-ref.ts";
import { formatBytes } from "../../domain/quantity.ts";
import type { LineageEdge, LineageNode } from "./lineage.ts";

/** What stands in the box of an artifact in a picture, without line breaks of its own. */
export function nodeLines(node: LineageNode): string[] {
  const kind = node.class === null ? node.type : `${node.type} ${node.class}`;
  const state = node.state === "live" ? "" : `, ${node.state}`;
  const marks = [...(node.pinned ? ["pinned"] : []), ...node.aliases.map((alias) => `@${alias}`)];
  return [
    artifactRef({ ...node, id: node.path }),
    // the first half of a run's id is the time at which it began
    ...(node.name === null ? [`of run ${node.run.slice(0, 13)}`] : []),
    `${kind}, ${formatBytes(node.size)}${state}`,
    ...(marks.length > 0 ? [marks.join(", ")] : []),
  ].map((line) => line.replace(/\s+/g, " "));
}

/** What a viewer shows when somebody points at the box. */
export function nodeTooltip(node: LineageNode): string {
  return [node.ref, `run ${node.run}`, `made ${node.created_at}`, node.digest, ...(node.description ? [node.description] : [])].join("\n");
}

/** What stands at an arrow; empty for an ordinary one. */
export function edgeWords(edge: LineageEdge): string {
  return [...(edge.role === "input" ? [] : [edge.role]), ...(edge.changed ? ["changed during the run"] : [])].join(", ");
}
