import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { nearest } from "../../../src/registry/lineage/nearest.ts";
import { diamond, edge, lineageOf, node } from "../lineage-of.ts";

test.each([
  [9, ["raw", "notes", "left", "right", "model", "report"], 6],
  [6, ["raw", "notes", "left", "right", "model", "report"], 6],
  [5, ["notes", "left", "right", "model", "report"], 4],
  [2, ["notes", "model"], 1],
  [1, ["model"], 0],
])("of a diamond the nearest %i artifacts", (limit, names, count) => {
  const { lineage, left } = nearest(diamond(), limit);
  expect(lineage.nodes.map(({ uid }) => uid)).toEqual(names);
  expect(lineage.edges).toHaveLength(count);
  expect(left).toEqual({ nodes: 6 - names.length, edges: 6 - count });
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
    fc.property(tree, fc.integer({ min: 1, max: 45 }), (whole, limit) => {
      const { lineage } = nearest(whole, limit);
      const kept = new Set(lineage.nodes.map(({ uid }) => uid));
      expect(kept.size).toBeLessThanOrEqual(limit);
      expect(lineage.edges.length).toBe(kept.size - 1);
      for (const { artifact, dependency } of lineage.edges) expect([kept.has(artifact), kept.has(dependency)]).toEqual([true, true]);
      expect(lineage.nodes).toEqual(whole.nodes.filter(({ uid }) => kept.has(uid)));
    }),
  );
});
