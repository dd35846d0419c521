import { CofferError } from "../domain/error.ts";
import { lineage } from "../registry/lineage/lineage.ts";
import type { Lineage } from "../registry/lineage/lineage.ts";
import { nearest } from "../registry/lineage/nearest.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import type { Store } from "../store/store.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";
import { writeNewFile } from "./write-new-file.ts";

const FORMATS = ["tree", "json", "dot", "mermaid", "svg"] as const;
type Format = (typeof FORMATS)[number];
const SUFFIX: Record<Format, string> = { tree: "txt", json: "json", dot: "dot", mermaid: "mmd", svg: "svg" };

/** What can be laid out in about a second. */
const DRAWN = 300;
/** Mermaid refuses more, unless the page that draws it says otherwise. */
const MERMAID_EDGES = 500;

export default command(
  {
    positionals: [{ name: "REF", description: "an artifact: id, name, name@v3, name@alias, RUN/path, blake3:PREFIX", required: true }],
    flags: {
      up: { type: "boolean", description: "only what it was made from" },
      down: { type: "boolean", description: "only what was made from it, and what it would mean to change or delete it" },
      depth: { type: "string", valueHint: "N", description: "at most so many steps away" },
      format: { type: "string", options: FORMATS, description: "tree unless said; json is --json" },
      output: { type: "string", alias: "o", valueHint: "FILE", description: "write it there, where nothing is yet, instead of to stdout" },
    },
    about: `What an artifact was made from, and what was made from it. Named by --depends-on, or following from what a run had read with coffer get or --input: those edges
are dashed in pictures. What was deleted stays in the graph. Each artifact stands once, behind what it was made from; in a tree, where it is first met.

svg draws up to ${DRAWN} artifacts; of more, those nearest to the one that was asked for. dot is for Graphviz, mermaid for Markdown pages.`,
    examples: [
      ["coffer lineage churn-model", "both ways"],
      ["coffer lineage raw-data@v2 --down", "what hangs on it"],
      ["coffer lineage churn-model --up --format svg -o lineage.svg", "a picture"],
    ],
    exits: { "4": "there is no such run or artifact", "5": "the file exists: nothing is overwritten" },
  },
  async ({ flags, positionals, io }) => {
    if (flags.up && flags.down)
      throw new CofferError("USAGE", "--up and --down together are what no flag means", { hint: "leave both out" });
    if (io.json && flags.format !== undefined && flags.format !== "json")
      throw new CofferError("USAGE", `--json and --format ${flags.format} contradict each other`, { hint: "leave one out" });
    const format = io.json ? "json" : (flags.format ?? "tree");
    const depth = flags.depth === undefined ? null : depthOf(flags.depth);
    using store = await io.openStore({ make: false, access: "read" });
    const root = find(store, positionals[0] as string);
    const found = lineage(store, root, flags.up ? "up" : flags.down ? "down" : "both", depth);
    if (found.hidden > 0)
      io.say.info(
        `--depth ${depth} leaves out ${found.hidden === 1 ? "one artifact that is" : `${found.hidden} artifacts that are`} a step further`,
      );
    const text = await RENDER[format](found, io);
    if (flags.output === undefined) io.write(text);
    else io.say.info(`wrote ${await writeNewFile(flags.output, text, `lineage.${SUFFIX[format]}`)}`);
  },
);

/** Each is loaded when it is wanted; the layout of pictures is larger than all the others. */
const RENDER: Record<Format, (found: Lineage, io: Io) => Promise<string>> = {
  tree: async (found) => (await import("./lineage/tree.ts")).lineageTree(found),
  json: async (found) => `${JSON.stringify({ schema: "coffer.lineage/1", ...found })}\n`,
  dot: async (found) => (await import("../registry/lineage/dot.ts")).lineageDot(found),
  async mermaid(found, io) {
    if (found.edges.length > MERMAID_EDGES)
      io.say.warn(`${found.edges.length} edges: Mermaid draws ${MERMAID_EDGES} unless its maxEdges says more; --depth shows less`);
    return (await import("../registry/lineage/mermaid.ts")).lineageMermaid(found);
  },
  async svg(found, io) {
    const { lineage: near, left } = nearest(found, DRAWN);
    const note = leftOut(near, left);
    if (note !== "") io.say.warn(`${note}; --format dot has all`);
    return (await import("../registry/lineage/svg.ts")).lineageSvg(near, note);
  },
};

function leftOut(near: Lineage, left: { nodes: number; edges: number }): string {
  if (left.nodes === 0) return "";
  return `only the neighbourhood is drawn: the nearest ${near.nodes.length} of ${near.nodes.length + left.nodes} artifacts, ${near.edges.length} of ${near.edges.length + left.edges} edges`;
}

/** What is in sight comes first; what was removed, withdrawn or deleted has a lineage too. */
function find(store: Store, ref: string): Parameters<typeof lineage>[1] {
  try {
    return resolveArtifact(store, ref).artifact;
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "NOT_FOUND") throw error;
    return resolveArtifact(store, ref, "any").artifact;
  }
}

function depthOf(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text))
    throw new CofferError("USAGE", `--depth takes a whole number, and not “${text}”`, { hint: "leave it out for everything" });
  return Number(text);
}
