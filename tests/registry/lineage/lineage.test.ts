import { expect, test } from "bun:test";
import * as fc from "fast-check";
import * as aliases from "../../../src/db/records/aliases.ts";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as edges from "../../../src/db/records/edges.ts";
import * as metaSources from "../../../src/db/records/meta-sources.ts";
import * as pins from "../../../src/db/records/pins.ts";
import { lineage } from "../../../src/registry/lineage/lineage.ts";
import type { Lineage } from "../../../src/registry/lineage/lineage.ts";
import { plantArtifacts, plantEdges } from "../../db/graph.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { logFile } from "../logged.ts";

/** raw → left, right → model → report; notes stand beside. Named by the letters of the diamond. */
async function diamond(test: TestStore): Promise<Record<"raw" | "left" | "right" | "model" | "report" | "notes", ArtifactRow>> {
  const raw = await test.add({ name: "raw" });
  const [left, right] = [await test.add({ name: "left", dependsOn: [raw] }), await test.add({ name: "right", dependsOn: [raw] })];
  const model = await test.add({ name: "model", dependsOn: [right, left] });
  const report = await test.add({ name: "report", dependsOn: [model, raw] });
  return { raw, left, right, model, report, notes: await test.add({ name: "notes" }) };
}

/** Nodes by name with their steps, edges by the names of their ends. */
function shown(found: Lineage): { nodes: string[]; edges: string[] } {
  const names = new Map(found.nodes.map((node) => [node.uid, node.name ?? node.path]));
  return {
    nodes: found.nodes.map((node) => `${node.name} ${node.steps}`),
    edges: found.edges.map((edge) => `${names.get(edge.artifact)} ← ${names.get(edge.dependency)}`),
  };
}

test("a diamond lists each artifact once, dependencies first, in both directions", async () => {
  using test = await openTestStore();
  const { raw, model } = await diamond(test);
  expect(shown(lineage(test.store, model, "up", null))).toEqual({
    nodes: ["raw -2", "left -1", "right -1", "model 0"],
    edges: ["left ← raw", "right ← raw", "model ← right", "model ← left"],
  });
  expect(shown(lineage(test.store, raw, "down", null)).nodes).toEqual(["raw 0", "left 1", "right 1", "model 2", "report 1"]);
  // the report was made from raw as well, past the model
  expect(shown(lineage(test.store, model, "both", null))).toEqual({
    nodes: ["raw -2", "left -1", "right -1", "model 0", "report 1"],
    edges: ["left ← raw", "right ← raw", "model ← right", "model ← left", "report ← model", "report ← raw"],
  });
});

test("what stands alone is its own lineage", async () => {
  using test = await openTestStore();
  const { notes } = await diamond(test);
  expect(shown(lineage(test.store, notes, "both", null))).toEqual({ nodes: ["notes 0"], edges: [] });
  expect(lineage(test.store, notes, "down", null).impact).toEqual({
    artifacts: 0,
    deleted: 0,
    runs: 0,
    names: 0,
    newest: [],
    pinned: [],
    aliased: [],
    holders: 0,
    lasting: [],
  });
});

test("--depth ends the walk, keeps the edges between what is shown, and tells how much is next", async () => {
  using test = await openTestStore();
  const { raw, model } = await diamond(test);
  const one = lineage(test.store, model, "both", 1);
  expect([shown(one), one.hidden]).toEqual([
    { nodes: ["left -1", "right -1", "model 0", "report 1"], edges: ["model ← right", "model ← left", "report ← model"] },
    1,
  ]);
  const none = lineage(test.store, model, "both", 0);
  expect([shown(none), none.hidden]).toEqual([{ nodes: ["model 0"], edges: [] }, 3]);
  // report is one step from raw, and so is the edge to it; model is left out
  const down = lineage(test.store, raw, "down", 1);
  expect([shown(down).edges, down.hidden]).toEqual([["left ← raw", "right ← raw", "report ← raw"], 1]);
  expect(lineage(test.store, raw, "down", 2).hidden).toBe(0);
});

test("what was deleted, removed or withdrawn stays in the graph, with its state", async () => {
  using test = await openTestStore();
  const { left, right, model } = await diamond(test);
  artifacts.entomb(test.store.db, left.seq, 1);
  artifacts.setState(test.store.db, right.seq, "removed", 1);
  const found = lineage(test.store, model, "up", null);
  expect(found.nodes.map(({ name, state, size }) => [name, state, size > 0])).toEqual([
    ["raw", "live", true],
    ["left", "deleted", true],
    ["right", "removed", true],
    ["model", "live", true],
  ]);
  expect(lineage(test.store, test.again(left), "both", null).nodes).toHaveLength(4);
});

test("edges tell role, position, and whether they are implicit or changed", async () => {
  using test = await openTestStore();
  const { raw, notes, left } = await diamond(test);
  const run = test.run();
  const made = await logFile(test, { dependsOn: [{ artifact: raw, role: "spec" }, { artifact: left }], readBefore: [notes] }, { run });
  edges.insert(test.store.db, made.seq, [{ dependency: notes.seq, role: "input", position: 1000, implicit: true }]);
  test.store.db.run("UPDATE edges SET changed = 1 WHERE dependency = ?", [notes.seq]);
  expect(
    lineage(test.store, made, "up", 1)
      .edges.filter((edge) => edge.artifact === made.uid)
      .map(({ dependency, ...edge }) => [[raw, notes, left].find(({ uid }) => uid === dependency)?.name, ...Object.values(edge).slice(1)]),
  ).toEqual([
    ["raw", "spec", 0, false, false],
    ["left", "input", 1, false, false],
    ["notes", "input", 1000, true, true],
  ]);
});

test("a meta-model's sources belong to its lineage", async () => {
  using test = await openTestStore();
  const [a, b, meta] = [await test.add({ name: "a" }), await test.add({ name: "b" }), await test.add({ name: "meta" })];
  metaSources.insert(test.store.db, meta.seq, [b.seq, a.seq]);
  expect(shown(lineage(test.store, meta, "up", null))).toEqual({ nodes: ["a -1", "b -1", "meta 0"], edges: ["meta ← b", "meta ← a"] });
});

test("a node tells what protects it, and a tombstone nothing", async () => {
  using test = await openTestStore();
  const old = await test.add({ name: "model" });
  const newer = await test.add({ name: "model", dependsOn: [old] });
  pins.set(test.store.db, old.seq, null, 1);
  for (const alias of ["prod", "best"]) aliases.set(test.store.db, "model", alias, old.seq, 1);
  expect(lineage(test.store, newer, "up", null).nodes.map(({ ref, aliases: its, pinned, newest }) => [ref, its, pinned, newest])).toEqual([
    ["model@v1", ["best", "prod"], true, false],
    ["model@v2", [], false, true],
  ]);
  artifacts.setState(test.store.db, newer.seq, "removed", 1);
  expect(lineage(test.store, newer, "up", null).nodes.map(({ newest }) => newest)).toEqual([true, false]);
});

// Impact ----------------------------------------------------------------------------------------------------------

test("the impact counts everything below, whatever --depth shows", async () => {
  using test = await openTestStore();
  const { raw, left, model } = await diamond(test);
  pins.set(test.store.db, left.seq, null, 1);
  aliases.set(test.store.db, "model", "best", model.seq, 1);
  await test.add({ name: "model" });
  const run = test.run();
  for (const path of ["a", "b"]) await test.add({ run, path, dependsOn: [model] });
  for (const depth of [null, 1])
    expect(lineage(test.store, raw, "down", depth).impact).toEqual({
      artifacts: 6,
      deleted: 0,
      runs: 5,
      names: 4,
      newest: ["left@v1", "right@v1", "report@v1"],
      pinned: ["left@v1"],
      aliased: ["model@best"],
      holders: 6,
      lasting: ["left@v1", "right@v1", "model@v1", "report@v1"],
    });
  for (const direction of ["up", "both"] as const) expect(lineage(test.store, raw, direction, null).impact).toBeNull();
});

test("what only a tombstone connects with an artifact does not keep it from gc", async () => {
  using test = await openTestStore();
  const raw = await test.add({ name: "raw" });
  const gone = await test.add({ dependsOn: [raw] });
  const model = await test.add({ name: "model", dependsOn: [gone] });
  expect(lineage(test.store, raw, "down", null).impact).toMatchObject({ artifacts: 2, holders: 2, lasting: ["model@v1"] });
  artifacts.entomb(test.store.db, gone.seq, 1);
  expect(lineage(test.store, raw, "down", null).impact).toMatchObject({ artifacts: 1, deleted: 1, holders: 0, lasting: [] });
  expect(lineage(test.store, test.again(model), "up", null).nodes).toHaveLength(3);
});

// Any graph -------------------------------------------------------------------------------------------------------

test("of any graph each artifact that can be reached is there once, behind all that it was made from, and each edge between them", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const seqs = plantArtifacts(db, await test.add(), 12);
  const graph = fc.uniqueArray(
    fc.tuple(fc.nat(11), fc.nat(11)).filter(([from, to]) => from !== to),
    { selector: String, maxLength: 25 },
  );
  fc.assert(
    // a foreign manifest may bring rows in any order: the numbers say nothing about who was first
    fc.property(graph, fc.nat(11), fc.shuffledSubarray(seqs, { minLength: 12 }), (pairs, start, rank) => {
      const acyclic = pairs.filter(([from, to]) => rank.indexOf(seqs[to] as number) < rank.indexOf(seqs[from] as number));
      db.run("DELETE FROM edges");
      plantEdges(
        db,
        acyclic.map(([from, to]) => [seqs[from] as number, seqs[to] as number]),
      );
      const reach = (node: number, way: (pair: readonly [number, number]) => readonly [number, number]): number[] => {
        const found = [node];
        for (const here of found) for (const [from, to] of acyclic.map(way)) if (from === here && !found.includes(to)) found.push(to);
        return found;
      };
      const expected = new Set([...reach(start, (pair) => pair), ...reach(start, ([from, to]) => [to, from])]);
      const root = artifacts.bySeq(db, seqs[start] as number) as ArtifactRow;
      const { nodes, edges: found } = lineage(test.store, root, "both", null);
      const place = new Map(nodes.map((node, index) => [node.uid, index]));
      expect(place.size).toBe(nodes.length);
      expect(nodes.map(({ path }) => Number(path.split("-").at(-1))).toSorted((a, b) => a - b)).toEqual(
        [...expected].toSorted((a, b) => a - b),
      );
      expect(found).toHaveLength(acyclic.filter(([from, to]) => expected.has(from) && expected.has(to)).length);
      for (const edge of found) expect(place.get(edge.dependency)).toBeLessThan(place.get(edge.artifact) as number);
    }),
    { numRuns: 60 },
  );
});

test("a circle, which only a damaged database has, is walked once", async () => {
  using test = await openTestStore();
  const [a, b] = [await test.add({ name: "a" }), await test.add({ name: "b" })];
  plantEdges(test.store.db, [
    [a.seq, b.seq],
    [b.seq, a.seq],
  ]);
  for (const direction of ["up", "down", "both"] as const) expect(lineage(test.store, a, direction, null).nodes).toHaveLength(2);
  await expect(logFile(test, { dependsOn: [{ artifact: a }] })).rejects.toMatchObject({ code: "DEPENDENCY_TOO_DEEP" });
});

test("what somebody says again of what is there already is not lost, and may close no circle", async () => {
  using test = await openTestStore();
  const { raw, notes } = await diamond(test);
  const run = test.run({ state: "running" });
  const same = { run, bytes: "same" };
  const first = await logFile(test, { dependsOn: [{ artifact: notes }] }, same);
  const below = await test.add({ dependsOn: [first] });
  expect((await logFile(test, { dependsOn: [{ artifact: raw, role: "spec" }] }, same)).seq).toBe(first.seq);
  expect(edges.dependencies(test.store.db, first.seq).map(({ dependency, role }) => [dependency, role])).toEqual([
    [notes.seq, "input"],
    [raw.seq, "spec"],
  ]);
  await expect(logFile(test, { dependsOn: [{ artifact: below }] }, same)).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
});
