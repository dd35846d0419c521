import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { nearest } from "../../src/registry/lineage-nearest.ts";
import { diamond, edge, lineageOf, node } from "./lineage-of.ts";

test.each([
  [6, 9, ["raw", "notes", "left", "right", "model", "report"], 6],
  [5, 9, ["notes", "left", "right", "model", "report"], 4],
  [2, 9, ["notes", "model"], 1],
  [1, 9, ["model"], 0],
  // edges go from the far end, and artifacts that no edge leads to any more with them
  [6, 4, ["notes", "left", "right", "model", "report"], 4],
  [6, 1, ["left", "model"], 1],
  [6, 0, ["model"], 0],
])("of a diamond the nearest %i artifacts and %i edges", (limit, maxEdges, names, count) => {
  const { lineage, left } = nearest(diamond(), limit, maxEdges);
  expect(lineage.nodes.map(({ uid }) => uid)).toEqual(names);
  expect(lineage.edges).toHaveLength(count);
  expect(left).toEqual({ nodes: 6 - names.length, edges: 6 - count });
});

test("an edge that leads to somewhere is kept before one within the same distance", () => {
  const lineage = lineageOf(
    [node("root", 0), node("a", 1), node("b", 1), node("c", 2), node("d", 2)],
    [edge("d < c"), edge("b < a"), edge("a < root"), edge("b < root"), edge("c < a"), edge("d < b")],
  );
  const kept = (maxEdges: number): string[] =>
    nearest(lineage, 9, maxEdges).lineage.edges.map((one) => `${one.artifact} < ${one.dependency}`);
  expect(kept(2)).toEqual(["a < root", "b < root"]);
  expect(kept(4)).toEqual(["b < a", "a < root", "b < root", "c < a"]);
});

test("whatever is kept hangs together, and is in the order of the whole", () => {
  const tree = fc.array(fc.nat(), { minLength: 1, maxLength: 40 }).map((parents) => {
    const steps = [0];
    const edges = parents.map((given, index) => {
      const parent = given % (index + 1);
      steps.push((steps[parent] as number) + 1);
      return edge(`${index + 1} < ${parent}`);
    });
    return lineageOf(
      steps.map((distance, index) => node(String(index), distance)),
      edges,
    );
  });
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 45 }), fc.nat(45), (whole, limit, maxEdges) => {
      const { lineage } = nearest(whole, limit, maxEdges);
      const kept = new Set(lineage.nodes.map(({ uid }) => uid));
      expect(kept.size).toBeLessThanOrEqual(limit);
      expect(lineage.edges.length).toBe(kept.size - 1);
      for (const { artifact, dependency } of lineage.edges) expect([kept.has(artifact), kept.has(dependency)]).toEqual([true, true]);
      expect(lineage.nodes).toEqual(whole.nodes.filter(({ uid }) => kept.has(uid)));
    }),
  );
});
