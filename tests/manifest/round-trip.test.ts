import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as edges from "../../src/db/records/edges.ts";
import * as metaSources from "../../src/db/records/meta-sources.ts";
import * as metrics from "../../src/db/records/metrics.ts";
import * as params from "../../src/db/records/params.ts";
import * as runs from "../../src/db/records/runs.ts";
import type { RunRow } from "../../src/db/records/runs.ts";
import { exportManifest } from "../../src/manifest/export/export-manifest.ts";
import { findManifests } from "../../src/manifest/import/find-manifests.ts";
import { importManifests } from "../../src/manifest/import/import-manifests.ts";
import { parseManifest } from "../../src/manifest/read/parse-manifest.ts";
import { writeManifestTree } from "../../src/manifest/export/write-manifest-tree.ts";
import { toYaml } from "../../src/manifest/read/yaml.ts";
import { remove } from "../../src/registry/marks.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { foreignTree, put, UID } from "./foreign-tree.ts";

const exported = async (test: TestStore, id: string) =>
  parseManifest(toYaml((await exportManifest(test.store, runs.byId(test.store.db, id) as RunRow)).manifest), "export").tree;

/** Exports runs of one store with their bytes, and takes them over into another. */
async function carry(from: TestStore, to: TestStore, given: readonly RunRow[]): Promise<string> {
  const tree = join(dirname(from.store.root), `out-${Bun.randomUUIDv7()}`);
  await writeManifestTree(from.store, given, tree, true);
  await importManifests(to.store, findManifests(tree), { copy: true });
  return tree;
}

/** Edges of an artifact, each as name@version:role. */
function edgesOf({ store }: TestStore, uid: string): string[] {
  const { seq } = store.db.query("SELECT seq FROM artifacts WHERE uid = ?").get(uid) as { seq: number };
  return edges.dependencies(store.db, seq).map(({ dependency, role, implicit }) => {
    const { name, path, version, state } = artifacts.bySeq(store.db, dependency) as ArtifactRow;
    return `${name ?? path}@v${version}:${role}${implicit ? " implicit" : ""}${state === "live" ? "" : ` ${state}`}`;
  });
}

test("edges come back as they were: to each version, in each role, with sources that are inputs too, in their order", async () => {
  using test = await openTestStore();
  using other = await openTestStore();
  const run = test.run({ dataset: "corn" });
  const one = await test.add({ run, path: "x", name: "x" });
  const two = await test.add({ run, path: "x", name: "x" });
  // the same id and version under another name
  const alias = await test.add({ run, path: "x", name: "again" });
  const plain = await test.add({ run, path: "plain", name: "plain" });
  const made = await test.add({ run, path: "made", name: "made" });
  const { db } = test.store;
  const edge = (dependency: ArtifactRow, role: string, position: number, implicit = false) => ({
    dependency: dependency.seq,
    role,
    position,
    implicit,
  });
  edges.insert(db, made.seq, [
    edge(two, "input", 0),
    edge(plain, "scaler", 1),
    edge(one, "input", 2),
    edge(plain, "input", 3),
    edge(alias, "source", 4),
    edge(one, "source", 5),
  ]);
  db.query("UPDATE artifacts SET type = 'meta_model', feature_columns = '[\"a\",\"b\"]' WHERE seq = ?").run(made.seq);
  metaSources.insert(db, made.seq, [one.seq, alias.seq]);
  const next = await test.add({ run, path: "next", dependsOn: [made] });
  edges.insert(db, next.seq, [edge(plain, "input", 1000, true)]);

  await carry(test, other, [run]);
  for (const { uid } of [made, next]) expect(edgesOf(other, uid)).toEqual(edgesOf(test, uid));
  expect(edgesOf(other, made.uid)).toEqual([
    "x@v2:input",
    "plain@v1:scaler",
    "x@v1:input",
    "plain@v1:input",
    "again@v1:source",
    "x@v1:source",
  ]);
  expect(edgesOf(other, next.uid)).toEqual(["made@v1:input", "plain@v1:input implicit"]);
  const there = artifacts.latestOfName(other.store.db, "made") as ArtifactRow;
  expect(metaSources.ofArtifact(other.store.db, there.seq).map(({ source }) => artifacts.bySeq(other.store.db, source)?.uid)).toEqual([
    one.uid,
    alias.uid,
  ]);
  expect(await exported(other, run.id)).toEqual(await exported(test, run.id));
});

test("an edge to a version of another run means that one, also where the store has a newer one; without it nothing is taken over", async () => {
  using test = await openTestStore();
  using other = await openTestStore();
  const [first, second, third] = [test.run(), test.run(), test.run()];
  const old = await test.add({ run: first, name: "x" });
  await test.add({ run: second, name: "x", path: "x2" });
  // as it is with ids of steps, which several runs have
  test.store.db.query("UPDATE artifacts SET id = 'x' WHERE name = 'x'").run();
  const made = await test.add({ run: third, path: "made", dependsOn: [test.again(old)] });
  await carry(test, other, [second]);
  await expect(carry(test, other, [third])).rejects.toMatchObject({ code: "DEPENDENCY_MISSING", candidates: ["x@v1"] });
  await carry(test, other, [first]);
  await carry(test, other, [third]);
  const { seq } = artifacts.atPath(other.store.db, runs.byId(other.store.db, third.id)?.seq as number, made.path) as ArtifactRow;
  expect(edges.dependencies(other.store.db, seq).map(({ dependency }) => artifacts.bySeq(other.store.db, dependency)?.version)).toEqual([
    1,
  ]);
});

test("what was removed, and what that was made from, comes back as deleted: lineage has no holes", async () => {
  using test = await openTestStore();
  using other = await openTestStore();
  const run = test.run();
  const raw = await test.add({ run, name: "raw", path: "raw" });
  const middle = await test.add({ run, name: "middle", path: "middle", dependsOn: [raw] });
  const made = await test.add({ run, name: "made", path: "made", dependsOn: [middle] });
  for (const artifact of [raw, middle]) remove(test.store, { kind: "artifact", artifact });
  const tree = await carry(test, other, [run]);
  expect(edgesOf(other, made.uid)).toEqual(["middle@v1:input deleted"]);
  expect(edgesOf(other, middle.uid)).toEqual(["raw@v1:input deleted"]);
  expect(artifacts.ofRun(other.store.db, runs.byId(other.store.db, run.id)?.seq as number).map(({ name }) => name)).toEqual(["made"]);
  const again = await importManifests(other.store, findManifests(tree), { copy: true });
  expect(again.manifests).toMatchObject([{ state: "known", artifacts: 0, known: 1 }]);
  expect(await exported(other, run.id)).toEqual(await exported(test, run.id));
  // a run of another one that was made from it
  const later = test.run();
  await test.add({ run: later, name: "later", path: "later", dependsOn: [middle] });
  await carry(test, other, [later]);
});

test("how a run went survives, numbers that are none and what it has not among it", async () => {
  using test = await openTestStore();
  using other = await openTestStore();
  const run = test.run({ state: "failed", started_at: 1e12, ended_at: 1e12 + 5000, code_commit: "abc123" });
  const { db } = test.store;
  metrics.insert(db, run.seq, [
    { key: "loss", value: Number.NaN, step: 0, time: 1 },
    { key: "most", value: Infinity, step: 0, time: 1 },
  ]);
  params.set(db, run.seq, [["lr", "0.1"]]);
  await test.add({ run, path: "a" });
  await carry(test, other, [run]);
  expect(runs.byId(other.store.db, run.id)).toMatchObject({
    kind: "import",
    state: "failed",
    started_at: 1e12,
    ended_at: 1e12 + 5000,
    code_commit: "abc123",
    name: null,
    pipeline: null,
    dataset: null,
  });
  const there = runs.byId(other.store.db, run.id)?.seq as number;
  expect(metrics.latest(other.store.db, there).map(({ key, value }) => [key, value])).toEqual([
    ["loss", Number.NaN],
    ["most", Infinity],
  ]);
  expect(await exported(other, run.id)).toEqual(await exported(test, run.id));
});

test("keys of a coffer block that this coffer does not know stand there again at the next export; minus zero stays", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const coffer = {
    later: [1],
    run: { kind: "sweep", state: "killed", ended_at: "2026-11-20T09:00:00.000Z", weather: { rain: true } },
    artifacts: [{ artifact_id: "a", version: 1, uid: UID, mood: "good" }],
  };
  tree.write([{ artifact_id: "a", version: 1, params: { zero: -0 } }], { top: { coffer } });
  await tree.import(test);
  const after = (await exported(test, UID)) as { coffer: unknown; artifacts: { items: { params: { zero: number } }[] } };
  expect(after.coffer).toEqual(coffer);
  expect(Object.is(after.artifacts.items[0]?.params.zero, -0)).toBe(true);
});

test("a size that nobody knows is not zero, until the file is there", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: "a", path: "f", size_bytes: null }], { bytes: { f: null } });
  await tree.import(test);
  const size = async (): Promise<unknown> =>
    ((await exported(test, UID)) as { artifacts: { items: { size_bytes: unknown }[] } }).artifacts.items[0]?.size_bytes;
  expect(await size()).toBeNull();
  put(tree.file("f"), "f");
  await tree.import(test);
  expect(await size()).toBe(1);
});
