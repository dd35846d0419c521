import type { Lineage } from "./lineage.ts";
import { edgeWords, nodeLines, nodeTooltip } from "./words.ts";

/** For Graphviz: arrows lead from what something was made from to what was made. */
export function lineageDot(lineage: Lineage): string {
  const names = new Map(lineage.nodes.map((node, index) => [node.uid, `n${index + 1}`]));
  return [
    "digraph lineage {",
    "  rankdir=LR;",
    '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11];',
    '  edge [fontname="sans-serif", fontsize=9];',
    ...lineage.nodes.map((node) => {
      const styles = [
        node.uid === lineage.root ? ", penwidth=2.5" : "",
        node.state === "live" ? "" : ', style="rounded,filled,dashed", fontcolor=gray40, color=gray60',
      ].join("");
      return `  ${names.get(node.uid)} [label=${quote(nodeLines(node).join("\n"))}, tooltip=${quote(nodeTooltip(node))}${styles}];`;
    }),
    ...lineage.edges.map((edge) => {
      const words = edgeWords(edge);
      const attributes = [
        ...(words === "" ? [] : [`label=${quote(words)}`]),
        ...(edge.implicit ? ["style=dashed"] : []),
        ...(edge.changed ? ["color=red", "fontcolor=red"] : []),
      ];
      return `  ${names.get(edge.dependency)} -> ${names.get(edge.artifact)}${attributes.length > 0 ? ` [${attributes.join(", ")}]` : ""};`;
    }),
    "}",
    "",
  ].join("\n");
}

/** Graphviz reads backslashes as escapes and &…; as a character, in labels too. */
function quote(text: string): string {
  return `"${text
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("&", "&amp;")
    .replaceAll("\n", "\\n")
    .replace(/[\x00-\x1f\x7f]/g, " ")}"`;
}
