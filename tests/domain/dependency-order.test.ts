import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { dependencyOrder } from "../../src/domain/dependency-order.ts";

test.each([
  ["nothing", [], {}, []],
  ["a chain that is given the wrong way round", ["c", "b", "a"], { c: ["b"], b: ["a"] }, ["a", "b", "c"]],
  ["a diamond", ["d", "b", "c", "a"], { d: ["b", "c"], b: ["a"], c: ["a"] }, ["a", "b", "c", "d"]],
  ["a list that is in order", ["a", "x", "b", "y"], { b: ["a"], y: ["x"] }, ["a", "x", "b", "y"]],
  ["nodes that hang together with nothing", ["b", "a"], {}, ["b", "a"]],
  ["a circle", ["a", "b", "c"], { a: ["b"], b: ["c"], c: ["a"] }, ["c", "b", "a"]],
  ["a node that depends on itself", ["a"], { a: ["a"] }, ["a"]],
] as [string, string[], Record<string, string[]>, string[]][])("dependencies first: %s", (_, nodes, dependencies, order) => {
  expect(dependencyOrder(nodes, (node) => dependencies[node] ?? [])).toEqual(order);
});

test("a chain of 100,000 is no matter of nested calls", () => {
  const order = dependencyOrder([0], (node) => (node < 100_000 ? [node + 1] : []));
  expect([order.length, order[0], order.at(-1)]).toEqual([100_001, 100_000, 0]);
});

test("in any graph each node stands once, and behind all that it depends on", () => {
  // edges lead to smaller numbers, so that there is no circle; the nodes come in any order
  const graph = fc.integer({ min: 2, max: 40 }).chain((size) =>
    fc.record({
      nodes: fc.shuffledSubarray(
        Array.from({ length: size }, (_, index) => index),
        { minLength: size },
      ),
      edges: fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)).filter(([from, to]) => to < from)),
    }),
  );
  fc.assert(
    fc.property(graph, ({ nodes, edges }) => {
      const order = dependencyOrder(nodes, (node) => edges.flatMap(([from, to]) => (from === node ? [to] : [])));
      expect(order.toSorted((a, b) => a - b)).toEqual(nodes.toSorted((a, b) => a - b));
      for (const [from, to] of edges) expect(order.indexOf(to)).toBeLessThan(order.indexOf(from));
    }),
  );
});
