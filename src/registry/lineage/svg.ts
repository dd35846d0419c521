import { Graph, layout } from "@dagrejs/dagre";
import type { Lineage, LineageEdge, LineageNode } from "./lineage.ts";
import { edgeWords, nodeLines, nodeTooltip } from "./words.ts";

const LINE = 15;
const PADDING = 10;
const MARGIN = 16;
const HEAD = 40;
/** Of a letter at 12 pixels, in the fonts that `monospace` stands for. */
const LETTER = 7.3;
const LONGEST = 40;
/** Layers that all edges together may cross in the layout: each crossing is a point to be placed, and 3,000 of them take about a second. */
const MAX_CROSSED = 3000;

interface Point {
  x: number;
  y: number;
}
type Box = Point & { width: number };
/** What the layout says of an edge; its label is at x and y. */
type Drawn = { points: Point[] } & Partial<Point>;

/**
 * A picture that any browser shows, without scripts or anything from elsewhere. Some 300 artifacts are laid out in a second, and the time grows with the square of what
 * is drawn. The longest edges of a graph with very many are drawn straight across. `note` is written below the title.
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
  for (const edge of laidOut(lineage)) {
    const words = edgeWords(edge);
    const size = words === "" ? {} : { width: widthOf(words), height: LINE, labelpos: "c" as const };
    graph.setEdge(edge.dependency, edge.artifact, size, nameOf(edge));
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
    ...lineage.edges.map((edge) => {
      const drawn = graph.edge(edge.dependency, edge.artifact, nameOf(edge)) as Drawn | undefined;
      if (drawn) return drawEdge(edge, drawn.points.map(place), drawn.x === undefined ? undefined : place(drawn as Point));
      const [from, to] = [edge.dependency, edge.artifact].map((uid) => graph.node(uid) as Box) as [Box, Box];
      const ends = [place({ x: from.x + from.width / 2, y: from.y }), place({ x: to.x - to.width / 2, y: to.y })] as const;
      return drawEdge(edge, ends, { x: (ends[0].x + ends[1].x) / 2, y: (ends[0].y + ends[1].y) / 2 });
    }),
    ...lineage.nodes.map((node) => drawNode(node, lines.get(node.uid) as string[], place(graph.node(node.uid) as Point), node === root)),
    "</svg>",
    "",
  ].join("\n");
}

/** The shortest edges, as many as fit: those that lead to the layer right behind, one of which each artifact has, come first. */
function laidOut(lineage: Lineage): LineageEdge[] {
  const layers = new Map<string, number>();
  const made = Map.groupBy(lineage.edges, (edge) => edge.artifact);
  const layer = (uid: string): number => layers.get(uid) ?? 0;
  for (const { uid } of lineage.nodes) layers.set(uid, Math.max(0, ...(made.get(uid) ?? []).map((edge) => layer(edge.dependency) + 1)));
  const crossed = (edge: LineageEdge): number => Math.max(1, layer(edge.artifact) - layer(edge.dependency));
  let left = MAX_CROSSED;
  return lineage.edges.toSorted((one, other) => crossed(one) - crossed(other)).filter((edge) => (left -= crossed(edge)) >= 0);
}

/** Two artifacts may have several edges. Roles may hold anything, and the library makes keys out of names. */
function nameOf(edge: LineageEdge): string {
  return `role ${Buffer.from(edge.role).toString("hex")}`;
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
