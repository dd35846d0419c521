import { expect, test } from "bun:test";
import { lineageTree } from "../../../src/cli/lineage/tree.ts";
import { diamond, edge, lineageOf, node } from "../../registry/lineage-of.ts";

test("a tree shows both directions; what two ways lead to is shown where it is first met", () => {
  expect(lineageTree(diamond())).toBe(`model@v1  model  10 B  (pinned, @best)
made from
├─ left@v1  model  10 B  (spec)
│  └─ raw@v1  dataset  10 B  (deleted)
├─ right@v1  model Ridge  10 B
│  └─ raw@v1  (read by the run)  (above)
└─ 01890000-0000-7000-8000-000000000000/notes.bin  model  10 B  (read by the run, changed during the run)
made from it
└─ report@v1  model  10 B
`);
});

test("a direction that was not asked for is not spoken of, and nothing is said to be nothing", () => {
  const alone = [node("alone", 0)];
  expect(lineageTree(lineageOf(alone, []))).toBe("alone@v1  model  10 B\nmade from nothing that is known\nnothing was made from it\n");
  expect(lineageTree(lineageOf(alone, [], { direction: "up" }))).toBe("alone@v1  model  10 B\nmade from nothing that is known\n");
});

test("several roles between the same two are one line", () => {
  const lineage = lineageOf(
    [node("a", -1), node("meta", 0)],
    [edge("meta < a", { role: "spec" }), edge("meta < a", { role: "source", implicit: true })],
  );
  expect(lineageTree({ ...lineage, direction: "up" })).toBe(
    "meta@v1  model  10 B\nmade from\n└─ a@v1  model  10 B  (spec, source, read by the run)\n",
  );
});

test("a name with a line break or an escape does not break the tree", () => {
  const lineage = lineageOf([node("a", 0, { ref: "run/a\nb\x1b[2J" })], [], { direction: "up" });
  expect(lineageTree(lineage).split("\n")[0]).toBe("run/a\\nb\\u001b[2J  model  10 B");
});

test("a chain that is deeper than a screen is wide is numbered, not indented further", () => {
  const nodes = Array.from({ length: 10_000 }, (_, index) => node(String(index), index));
  const edges = nodes.slice(1).map((_, index) => edge(`${index + 1} < ${index}`));
  const lines = lineageTree(lineageOf(nodes, edges, { direction: "down" }))
    .trimEnd()
    .split("\n");
  expect(lines).toHaveLength(10_001);
  expect(lines[41]?.trim()).toBe("└─ 40@v1  model  10 B");
  expect(lines[42]?.trim()).toBe("41 └─ 41@v1  model  10 B");
  expect(lines.at(-1)?.trim()).toBe("9999 └─ 9999@v1  model  10 B");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(200);
});

const impact = {
  artifacts: 3,
  deleted: 1,
  runs: 2,
  names: 2,
  newest: ["b@v1"],
  pinned: [],
  aliased: ["b@best"],
  holders: 2,
  lasting: ["b@v1"],
};

test("going down, the tree ends with what a change would concern", () => {
  const lineage = lineageOf([node("a", 0), node("b", 1)], [edge("b < a")], { direction: "down" });
  expect(lineageTree({ ...lineage, impact })).toEndWith(`
changing or deleting a@v1 concerns
  artifacts  3 (1 more are deleted)
  runs       2
  names      2
  newest     b@v1
  aliased    b@best
  gc         keeps it: no rule takes b@v1
`);
});

test.each([
  [0, [], "nothing that was made from it keeps it"],
  [1, [], "keeps it as long as the one that was made from it stays"],
  [7, [], "keeps it as long as any of 7 that were made from it stays"],
  [
    20,
    Array.from({ length: 14 }, (_, index) => `m@v${index}`),
    "keeps it: no rule takes m@v0, m@v1, m@v2, m@v3, m@v4, m@v5, m@v6, m@v7, m@v8, m@v9, m@v10, m@v11 and 2 more",
  ],
])("what gc makes of %i that were made from it", (holders, lasting, words) => {
  const lineage = lineageOf([node("a", 0)], [], { direction: "down", impact: { ...impact, holders, lasting } });
  expect(lineageTree(lineage)).toEndWith(`  gc         ${words}\n`);
});
