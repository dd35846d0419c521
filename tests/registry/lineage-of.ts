import type { Lineage, LineageEdge, LineageNode } from "../../src/registry/lineage/lineage.ts";

/** A node as a table of tests writes it: only what matters there. */
export function node(uid: string, steps: number, given: Partial<LineageNode> = {}): LineageNode {
  return {
    uid,
    ref: `${uid}@v1`,
    id: uid,
    run: "01890000-0000-7000-8000-000000000000",
    path: `${uid}.bin`,
    name: uid,
    version: 1,
    type: "model",
    class: null,
    kind: "file",
    size: 10,
    digest: "blake3:00",
    state: "live",
    created_at: "2026-01-01T00:00:00.000Z",
    description: null,
    aliases: [],
    pinned: false,
    newest: true,
    steps,
    ...given,
  };
}

/** `b < a`: b was made from a. */
export function edge(words: string, given: Partial<LineageEdge> = {}): LineageEdge {
  const [artifact = "", dependency = ""] = words.split(" < ");
  return { artifact, dependency, role: "input", position: 0, implicit: false, changed: false, ...given };
}

export function lineageOf(nodes: LineageNode[], edges: LineageEdge[], given: Partial<Lineage> = {}): Lineage {
  const root = nodes.find(({ steps }) => steps === 0) as LineageNode;
  return { root: root.uid, direction: "both", depth: null, hidden: 0, nodes, edges, impact: null, ...given };
}

/** raw → left, right → model (the root) → report; the model had read notes, which changed. */
export function diamond(): Lineage {
  return lineageOf(
    [
      node("raw", -2, { state: "deleted", type: "dataset" }),
      node("notes", -1, { name: null, ref: "01890000-0000-7000-8000-000000000000/notes.bin" }),
      node("left", -1),
      node("right", -1, { class: "Ridge" }),
      node("model", 0, { aliases: ["best"], pinned: true }),
      node("report", 1),
    ],
    [
      edge("left < raw"),
      edge("right < raw", { implicit: true }),
      edge("model < left", { role: "spec" }),
      edge("model < right", { position: 1 }),
      edge("model < notes", { position: 1000, implicit: true, changed: true }),
      edge("report < model"),
    ],
  );
}

/** What a foreign file may be called, and worse. */
export const ODD = 'a "quoted" \\name\\n <b>&amp; `x` #35; |x| [y] {z}';
