import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as edges from "../../../src/db/records/edges.ts";
import type { GraphEdge } from "../../../src/db/records/edges.ts";
import * as metaSources from "../../../src/db/records/meta-sources.ts";
import * as inputs from "../../../src/db/records/run-inputs.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { ladder, plantArtifacts, plantEdges } from "../graph.ts";

async function planted(test: TestStore, count: number): Promise<number[]> {
  return plantArtifacts(test.store.db, await test.add(), count);
}

test("the depth is that of the longest way, counted from the nearest of several to the limit", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const [a, b, c, d, e] = (await planted(test, 5)) as [number, number, number, number, number];
  plantEdges(db, [
    [b, a],
    [c, b],
    [d, c],
    // short cuts change nothing
    [d, a],
    [d, b],
  ]);
  expect([[], [a], [b], [d], [a, d], [e]].map((starts) => edges.depth(db, starts, 100))).toEqual([0, 0, 1, 3, 3, 0]);
  expect([3, 2, 1, 0].map((limit) => edges.depth(db, [d], limit))).toEqual([3, 3, 2, 1]);
});

test("the depth of any graph is what counting all ways says", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const seqs = await planted(test, 9);
  const graph = fc.uniqueArray(
    fc.tuple(fc.nat(8), fc.nat(8)).filter(([from, to]) => to < from),
    { selector: String, maxLength: 20 },
  );
  fc.assert(
    fc.property(graph, fc.nat(9), (pairs, limit) => {
      db.run("DELETE FROM edges");
      plantEdges(
        db,
        pairs.map(([from, to]) => [seqs[from] as number, seqs[to] as number]),
      );
      const longest = (node: number): number => Math.max(0, ...pairs.flatMap(([from, to]) => (from === node ? [longest(to) + 1] : [])));
      for (const [node, seq] of seqs.entries()) {
        const depth = edges.depth(db, [seq], limit);
        if (longest(node) <= limit) expect(depth).toBe(longest(node));
        else expect(depth).toBeGreaterThan(limit);
      }
    }),
    { numRuns: 50 },
  );
});

test("a ladder of 5,000 layers, with 2^5000 ways through it, is asked once for each artifact", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const seqs = await planted(test, 10_000);
  plantEdges(db, ladder(seqs));
  const [bottom, top] = [seqs.at(-1) as number, seqs[0] as number];
  expect(edges.depth(db, [bottom], 100)).toBe(101);
  expect(edges.depth(db, [bottom], 10_000)).toBe(4_999);
  expect(edges.reachesId(db, [bottom], rowId(test, top))).toBe(true);
  expect(edges.reachesId(db, [top], rowId(test, bottom))).toBe(false);
  let seen = 0;
  const far = edges.walk(db, bottom, "up", Number.POSITIVE_INFINITY, () => seen++);
  expect([far.size, seen, far.get(top)]).toEqual([9_999, 19_994, 4_999]);
});

test("a walk goes level by level, no further than it is told, and tells of each edge once", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const [a, b, c, d] = (await planted(test, 4)) as [number, number, number, number];
  plantEdges(db, [
    [b, a],
    [c, a],
    [d, b],
    [d, c],
  ]);
  const walk = (start: number, direction: edges.Direction, levels: number): [[number, number][], [number, number][]] => {
    const seen: [number, number][] = [];
    const distances = edges.walk(db, start, direction, levels, (edge) => void seen.push([edge.artifact, edge.dependency]));
    return [[...distances], seen.toSorted((one, other) => one[0] - other[0] || one[1] - other[1])];
  };
  expect(walk(d, "up", 1)).toEqual([
    [
      [d, 0],
      [b, 1],
      [c, 1],
    ],
    [
      [d, b],
      [d, c],
    ],
  ]);
  expect(walk(a, "down", 9)).toEqual([
    [
      [a, 0],
      [b, 1],
      [c, 1],
      [d, 2],
    ],
    [
      [b, a],
      [c, a],
      [d, b],
      [d, c],
    ],
  ]);
  expect(walk(a, "up", 9)).toEqual([[[a, 0]], []]);
});

test("a meta-model's sources are edges too, each once, whether an edge stands beside them or not", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const [a, b, meta] = (await planted(test, 3)) as [number, number, number];
  metaSources.insert(db, meta, [b, a]);
  edges.insert(db, meta, [{ dependency: a, role: "source", position: 1, implicit: false }]);
  const seen: GraphEdge[] = [];
  edges.walk(db, meta, "up", 1, (edge) => void seen.push(edge));
  edges.walk(db, b, "down", 1, (edge) => void seen.push(edge));
  const [known, missing] = [a, b].map((dependency, index) => ({
    artifact: meta,
    dependency,
    role: "source",
    position: 1 - index,
    implicit: 0,
    changed: 0,
  }));
  expect(seen).toEqual([known, missing, missing] as GraphEdge[]);
  expect(edges.depth(db, [meta], 9)).toBe(1);
  expect(edges.reachesId(db, [meta], rowId(test, b))).toBe(true);
});

test("an input that changed flags its edges from all that the run made, and no others", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const [changed, steady] = [await test.add(), await test.add()];
  const [run, other] = [test.run(), test.run()];
  const made = [];
  for (const owner of [run, run, other]) made.push(await test.add({ run: owner, dependsOn: [changed, steady] }));
  for (const artifact of [changed, steady])
    inputs.add(db, { run: run.seq, artifact: artifact.seq, path: `/${artifact.path}`, digest: artifact.digest, size: 1, how: "declared" });
  inputs.add(db, { run: run.seq, artifact: null, path: "/elsewhere", digest: "blake3:0", size: 1, how: "declared" });
  for (const position of [0, 2]) inputs.markChanged(db, run.seq, position);
  edges.markChanged(db, run.seq);
  expect(made.map(({ seq }) => edges.dependencies(db, seq).map((edge) => [edge.dependency, edge.changed]))).toEqual([
    [
      [changed.seq, 1],
      [steady.seq, 0],
    ],
    [
      [changed.seq, 1],
      [steady.seq, 0],
    ],
    [
      [changed.seq, 0],
      [steady.seq, 0],
    ],
  ]);
});

test("the walks, and the question for an id, use indexes only", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const plans: string[] = [];
  const watched = new Proxy(db, {
    get(target, key: keyof typeof db) {
      const own = target[key];
      if (key !== "query") return typeof own === "function" ? (own as () => unknown).bind(target) : own;
      return (sql: string) => {
        const rows = target.query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
        plans.push(...rows.map(({ detail }) => detail));
        return target.query(sql);
      };
    },
  });
  const artifact = await test.add();
  edges.walk(watched, artifact.seq, "up", 1, () => undefined);
  edges.walk(watched, artifact.seq, "down", 1, () => undefined);
  edges.depth(watched, [artifact.seq], 1);
  edges.reachesId(watched, [artifact.seq], artifact.id);
  const scans = plans.filter(
    (detail) => detail.startsWith("SCAN") && !/^SCAN (?:f VIRTUAL|json_each VIRTUAL|up\b|\(|CONSTANT)/.test(detail),
  );
  expect(plans.length).toBeGreaterThan(10);
  expect(scans).toEqual([]);
});

function rowId(test: TestStore, seq: number): string {
  return test.again({ seq } as ArtifactRow).id;
}
