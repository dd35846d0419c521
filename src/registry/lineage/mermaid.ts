import type { Lineage } from "./lineage.ts";
import { edgeWords, nodeLines } from "./words.ts";

/** For Markdown pages that draw Mermaid: arrows lead from what something was made from to what was made. */
export function lineageMermaid(lineage: Lineage): string {
  const names = new Map(lineage.nodes.map((node, index) => [node.uid, `n${index + 1}`]));
  const gone = lineage.nodes.filter((node) => node.state !== "live").map((node) => names.get(node.uid));
  const changed = lineage.edges.flatMap((edge, index) => (edge.changed ? [index] : []));
  return [
    "flowchart LR",
    ...lineage.nodes.map((node) => `  ${names.get(node.uid)}["${nodeLines(node).map(escape).join("<br/>")}"]`),
    ...lineage.edges.map((edge) => {
      const words = edgeWords(edge);
      const arrow = edge.implicit ? "-.->" : "-->";
      return `  ${names.get(edge.dependency)} ${arrow}${words === "" ? "" : `|"${escape(words)}"|`} ${names.get(edge.artifact)}`;
    }),
    `  style ${names.get(lineage.root)} stroke-width:3px`,
    ...(gone.length > 0 ? ["  classDef gone stroke-dasharray:4 3,color:#666", `  class ${gone.join(",")} gone`] : []),
    ...(changed.length > 0 ? [`  linkStyle ${changed.join(",")} stroke:#c00`] : []),
    "",
  ].join("\n");
}

/** Its only escapes are entities without an ampersand. What is read as Markdown, as a tag or as a line break is among them. */
function escape(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]/g, " ").replace(/[#"&<>\\`*_~[\]{}|;]/g, (char) => `#${char.codePointAt(0)};`);
}
