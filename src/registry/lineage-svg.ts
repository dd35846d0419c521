import { Graph, layout } from "@dagrejs/dagre";
import type { Lineage, LineageEdge, LineageNode } from "./lineage.ts";
import { edgeWords, nodeLines, nodeTooltip } from "./lineage-words.ts";

const LINE = 15;
const PADDING = 10;
const MARGIN = 16;
const HEAD = 40;
/** Of a letter at 12 pixels, in the fonts that `monospace` stands for. */
const LETTER = 7.3;
const LONGEST = 40;

interface Point {
  x: number;
  y: number;
}

/**
 * A picture that any browser shows, without scripts or anything from elsewhere. The layout takes time that grows with the square of what is drawn: some 300 artifacts
 * are a second. `note` is written below the title.
 */
export function lineageSvg(lineage: Lineage, note = ""): string {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 60, edgesep: 12, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  const lines = new Map(lineage.nodes.map((node) => [node.uid, nodeLines(node).map(shorten)]));
  for (const node of lineage.nodes) {
    const its = lines.get(node.uid) as string[];
    graph.setNode(node.uid, { width: Math.max(...its.map(widthOf)) + 2 * PADDING, height: its.length * LINE + PADDING });
  }
  // under numbers of ours: the library makes keys out of names, and roles may hold anything
  for (const [index, edge] of lineage.edges.entries()) {
    const words = edgeWords(edge);
    const size = words === "" ? {} : { width: widthOf(words), height: LINE, labelpos: "c" as const };
    graph.setEdge(edge.dependency, edge.artifact, size, String(index));
  }
  layout(graph);
  const root = lineage.nodes.find((node) => node.uid === lineage.root) as LineageNode;
  const title = `lineage of ${root.ref}`;
  const whole = graph.graph() as { width?: number; height?: number };
  const width = Math.ceil(Math.max(whole.width ?? 0, widthOf(title) + 2 * MARGIN, widthOf(note) + 2 * MARGIN));
  const height = Math.ceil((whole.height ?? 0) + HEAD);
  const place = (point: Point): Point => ({ x: point.x, y: point.y + HEAD });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="ui-monospace, monospace" font-size="12">`,
    `<title>${escape(title)}</title>`,
    ...(note === "" ? [] : [`<desc>${escape(note)}</desc>`]),
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${MARGIN}" y="20" font-weight="bold">${escape(title)}</text>`,
    ...(note === "" ? [] : [`<text x="${MARGIN}" y="36" fill="#666">${escape(note)}</text>`]),
    ...lineage.edges.map((edge, index) => {
      const drawn = graph.edge(edge.dependency, edge.artifact, String(index)) as { points: Point[]; x?: number; y?: number };
      return drawEdge(edge, drawn.points.map(place), drawn.x === undefined ? undefined : place(drawn as Point));
    }),
    ...lineage.nodes.map((node) => drawNode(node, lines.get(node.uid) as string[], place(graph.node(node.uid) as Point), node === root)),
    "</svg>",
    "",
  ].join("\n");
}

function drawNode(node: LineageNode, lines: readonly string[], { x, y }: Point, isRoot: boolean): string {
  const width = Math.max(...lines.map(widthOf)) + 2 * PADDING;
  const height = lines.length * LINE + PADDING;
  const [left, top] = [x - width / 2, y - height / 2];
  const gone = node.state === "live" ? "" : ' stroke-dasharray="4 3"';
  return [
    `<g><title>${escape(nodeTooltip(node))}</title>`,
    `<rect x="${px(left)}" y="${px(top)}" width="${px(width)}" height="${px(height)}" rx="4" fill="${isRoot ? "#e8f0fe" : "#f7f7f7"}" stroke="${isRoot ? "#1a56c4" : "#888"}"${isRoot ? ' stroke-width="2"' : ""}${gone}/>`,
    ...lines.map(
      (line, index) =>
        `<text x="${px(left + PADDING)}" y="${px(top + PADDING / 2 + LINE * (index + 0.75))}" fill="${index > 0 || gone !== "" ? "#666" : "#111"}">${escape(line)}</text>`,
    ),
    "</g>",
  ].join("");
}

function drawEdge(edge: LineageEdge, points: readonly Point[], label: Point | undefined): string {
  const words = edgeWords(edge);
  const colour = edge.changed ? "#c00" : "#555";
  const path = points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${px(x)} ${px(y)}`).join("");
  const text =
    words === "" || !label
      ? ""
      : `<text x="${px(label.x)}" y="${px(label.y + 4)}" text-anchor="middle" fill="${colour}" font-size="11" paint-order="stroke" stroke="#fff" stroke-width="3">${escape(words)}</text>`;
  return `<path d="${path}" fill="none" stroke="${colour}"${edge.implicit ? ' stroke-dasharray="5 3"' : ""} marker-end="url(#arrow)"/>${text}`;
}

function widthOf(text: string): number {
  return Bun.stringWidth(text) * LETTER;
}

/** The end tells more than the middle: it has the version. */
function shorten(line: string): string {
  const letters = [...line];
  return letters.length <= LONGEST ? line : `${letters.slice(0, LONGEST / 2 - 1).join("")}…${letters.slice(-LONGEST / 2).join("")}`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** XML has no way at all to write most control characters, or half of a surrogate pair. */
function escape(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
