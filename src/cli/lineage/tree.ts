import { formatBytes } from "../../domain/quantity.ts";
import type { Lineage, LineageEdge, LineageNode } from "../../registry/lineage/lineage.ts";
import type { Impact } from "../../registry/lineage/impact.ts";
import { fields, printable } from "../table.ts";

/** From here on the number of the level stands in place of more indentation: a chain of 10,000 would be 300 MB of blanks. */
const MAX_INDENTED = 40;
/** References in one line of the impact. */
const MANY = 12;

/** A lineage for a terminal. An artifact that two ways lead to is shown in full where it is first met. */
export function lineageTree(lineage: Lineage): string {
  const nodes = new Map(lineage.nodes.map((node) => [node.uid, node]));
  const root = nodes.get(lineage.root) as LineageNode;
  const seen = new Set([lineage.root]);
  const lines = [describe(root)];
  if (lineage.direction !== "down")
    branch(
      "made from",
      "made from nothing that is known",
      linksBy(lineage.edges, nodes, (edge) => [edge.artifact, edge.dependency]),
    );
  if (lineage.direction !== "up")
    branch(
      "made from it",
      "nothing was made from it",
      linksBy(lineage.edges, nodes, (edge) => [edge.dependency, edge.artifact]),
    );
  return `${lines.join("\n")}\n${lineage.impact ? renderImpact(root, lineage.impact) : ""}`;

  function branch(head: string, none: string, links: ReadonlyMap<string, Link[]>): void {
    const first = links.get(lineage.root) ?? [];
    lines.push(first.length === 0 ? none : head);
    const way = [{ left: [...first].reverse(), indent: "" }];
    for (let here = way.at(-1); here; here = way.at(-1)) {
      const link = here.left.pop();
      if (!link) {
        way.pop();
        continue;
      }
      const isLast = here.left.length === 0;
      const isNew = !seen.has(link.node.uid);
      seen.add(link.node.uid);
      const level = way.length > MAX_INDENTED ? `${way.length} ` : "";
      lines.push(`${here.indent}${level}${isLast ? "└─" : "├─"} ${isNew ? describe(link.node, link.marks) : again(link)}`);
      const indent = way.length < MAX_INDENTED ? `${here.indent}${isLast ? "   " : "│  "}` : here.indent;
      if (isNew) way.push({ left: [...(links.get(link.node.uid) ?? [])].reverse(), indent });
    }
  }
}

interface Link {
  node: LineageNode;
  marks: string[];
}

/** What stands below each artifact in a tree. Edges of several roles between the same two are one link. */
function linksBy(
  edges: readonly LineageEdge[],
  nodes: ReadonlyMap<string, LineageNode>,
  ends: (edge: LineageEdge) => [from: string, to: string],
): Map<string, Link[]> {
  const links = new Map<string, Map<string, Link>>();
  for (const edge of edges) {
    const [from, to] = ends(edge);
    const its = links.get(from) ?? new Map<string, Link>();
    links.set(from, its);
    const link = its.get(to) ?? { node: nodes.get(to) as LineageNode, marks: [] };
    its.set(to, link);
    if (edge.role !== "input") link.marks.push(edge.role);
    if (edge.implicit) link.marks.push("read by the run");
    if (edge.changed) link.marks.push("changed during the run");
  }
  return new Map([...links].map(([from, its]) => [from, [...its.values()]]));
}

function describe(node: LineageNode, marks: readonly string[] = []): string {
  const all = [
    ...marks,
    ...(node.state === "live" ? [] : [node.state]),
    ...(node.pinned ? ["pinned"] : []),
    ...node.aliases.map((alias) => `@${alias}`),
  ];
  return [
    printable(node.ref),
    printable(node.class === null ? node.type : `${node.type} ${node.class}`),
    formatBytes(node.size),
    ...(all.length > 0 ? [`(${all.map(printable).join(", ")})`] : []),
  ].join("  ");
}

function again({ node, marks }: Link): string {
  return `${printable(node.ref)}${marks.length > 0 ? `  (${marks.map(printable).join(", ")})` : ""}  (above)`;
}

function renderImpact(root: LineageNode, impact: Impact): string {
  const some = (refs: readonly string[]): string =>
    refs.length > MANY ? `${refs.slice(0, MANY).join(", ")} and ${refs.length - MANY} more` : refs.join(", ");
  return `\nchanging or deleting ${printable(root.ref)} concerns\n${fields([
    ["  artifacts", `${impact.artifacts}${impact.deleted > 0 ? ` (${impact.deleted} more are deleted)` : ""}`],
    ["  runs", impact.runs],
    ["  names", impact.names],
    ["  newest", some(impact.newest)],
    ["  pinned", some(impact.pinned)],
    ["  aliased", some(impact.aliased)],
    ["  gc", gcWords(impact, some)],
  ])}`;
}

function gcWords({ holders, lasting }: Impact, some: (refs: readonly string[]) => string): string {
  if (holders === 0) return "nothing that was made from it keeps it";
  if (lasting.length > 0) return `keeps it: no rule takes ${some(lasting)}`;
  return holders === 1
    ? "keeps it as long as the one that was made from it stays"
    : `keeps it as long as any of ${holders} that were made from it stays`;
}
