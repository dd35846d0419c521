import { chmodSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import { ofPipelineAndDataset } from "../../../src/db/records/exported-runs.ts";
import * as runs from "../../../src/db/records/runs.ts";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { exportManifest } from "../../../src/manifest/export/export-manifest.ts";
import { findManifests } from "../../../src/manifest/import/find-manifests.ts";
import { importManifests } from "../../../src/manifest/import/import-manifests.ts";
import { ITEM_KEYS } from "../../../src/manifest/read/manifest-item.ts";
import { parseManifest } from "../../../src/manifest/read/parse-manifest.ts";
import { writeManifestTree } from "../../../src/manifest/export/write-manifest-tree.ts";
import { toYaml } from "../../../src/manifest/read/yaml.ts";
import { remove } from "../../../src/registry/marks.ts";
import { sha256Of } from "../../../src/store/sha256.ts";
import { coffer } from "../../support/coffer.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { fixture, foreignTree, sha256, UID } from "../foreign-tree.ts";

const exported = async (test: TestStore, uid: string) => {
  const { manifest } = await exportManifest(test.store, runs.byId(test.store.db, uid) as RunRow);
  return parseManifest(toYaml(manifest), "export").tree;
};

test("a run of ours: the format's keys and no other, SHA-256, and one block of what the format has no key for", async () => {
  using test = await openTestStore();
  const run = test.run({ dataset: "corn", pipeline: "0001_pls" });
  await test.add({ run, path: "raw.csv", bytes: "abc" });
  await test.add({ run, path: "model.pt", name: "model", bytes: "weights" });
  const manifest = (await exported(test, run.id)) as { artifacts: { items: Record<string, unknown>[] } };
  expect(Object.keys(manifest)).toEqual([
    "schema_version",
    "uid",
    "pipeline_id",
    "name",
    "dataset",
    "created_at",
    "metadata",
    "artifacts",
    "coffer",
  ]);
  expect(manifest).toMatchObject({
    uid: run.id,
    pipeline_id: "0001_pls",
    dataset: "corn",
    coffer: {
      run: { kind: "wrapped", state: "finished" },
      artifacts: [{ artifact_id: `${run.id}/model.pt`, version: 1, name: "model" }],
    },
  });
  for (const item of manifest.artifacts.items) expect(Object.keys(item)).toEqual([...ITEM_KEYS]);
  expect(manifest.artifacts.items.map((item) => [item["artifact_id"], item["content_hash"], item["path"]])).toEqual([
    [`${run.id}/raw.csv`, `sha256:${sha256("abc")}`, "raw.csv"],
    [`${run.id}/model.pt`, `sha256:${sha256("weights")}`, "model.pt"],
  ]);
});

test("the digest is kept, so that the next export reads nothing; damaged bytes are not given one", async () => {
  using test = await openTestStore();
  const run = test.run();
  const one = await test.add({ run, bytes: "abc" });
  const row = () => blobs.bySeq(test.store.db, one.blob as number);
  expect(row()?.sha256).toBeNull();
  await exported(test, run.id);
  expect(Buffer.from(row()?.sha256 ?? []).toString("hex")).toBe(sha256("abc"));
  const other = test.run();
  const damaged = await test.add({ run: other, bytes: "right" });
  const path = test.store.path(blobs.bySeq(test.store.db, damaged.blob as number)?.path as string);
  chmodSync(path, 0o644);
  writeFileSync(path, "wrong");
  await expect(exported(test, other.id)).rejects.toMatchObject({ code: "CORRUPT" });
});

test("the fixture comes back equal, without a block of ours", async () => {
  using test = await openTestStore();
  const found = findManifests(fixture());
  await importManifests(test.store, found, { copy: false });
  expect(await exported(test, UID)).toEqual(Bun.YAML.parse(readFileSync(found[0]?.path as string, "utf8")) as Record<string, unknown>);
});

test("whatever a manifest holds survives: numbers that are none, keys that are nobody's, odd feature numbers, other order", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const path = tree.write(
    [
      {
        artifact_id: "0001_pls:0:all",
        params: { missing: Number.NaN, most: Infinity, least: -Infinity, tiny: 1e-7 },
        theirs: { deep: [1, { a: null }] },
      },
      { artifact_id: "0001_pls:1:all", artifact_type: "ensemble", created_at: "2026-11-20T08:22:24.426916+00:00" },
      {
        artifact_id: "0001_pls:2:all",
        artifact_type: "meta_model",
        depends_on: ["0001_pls:0:all"],
        meta_config: {
          source_models: [
            { artifact_id: "0001_pls:1:all", feature_index: 7, weight: 0.5 },
            { artifact_id: "0001_pls:0:all", feature_index: 2 },
          ],
          feature_columns: ["a", "b"],
          use_proba: false,
        },
      },
      { artifact_id: "named", pipeline_id: "other pipeline", branch_path: [0, 2], step_index: 4, fold_id: 0, format_version: 1.5 },
    ],
    {
      top: {
        pipeline: { steps: [{ "a b": 1 }] },
        predictions: [],
        metadata: { seed: 3, "<<": { x: 1 } },
        name: null,
        created_at: "2025-10-13T23:00:00",
      },
    },
  );
  writeFileSync(path, readFileSync(path, "utf8").replace("predictions: []", 'predictions: []\nodd: {__proto__: 1, "yes": "no"}'));
  await tree.import(test);
  const before = parseManifest(readFileSync(path, "utf8"), path).tree as { artifacts: { items: Record<string, unknown>[] } };
  const after = (await exported(test, UID)) as typeof before;
  // what the original leaves open, an export says
  for (const [index, item] of before.artifacts.items.entries())
    for (const [key, value] of Object.entries(item))
      if (key !== "version") expect([index, key, after.artifacts.items[index]?.[key]]).toEqual([index, key, value]);
  const { artifacts: _, ...top } = before as Record<string, unknown>;
  expect(after).toMatchObject(top);
  const row = artifacts.latestOfId(test.store.db, "0001_pls:2:all") as ArtifactRow;
  expect(row.type).toBe("meta_model");
});

test("what was removed is not in it, and ids of other runs are told", async () => {
  using test = await openTestStore();
  const raw = await test.add({ name: "raw" });
  const run = test.run();
  await test.add({ run, path: "made", dependsOn: [raw] });
  const gone = await test.add({ run, path: "gone" });
  remove(test.store, { kind: "artifact", artifact: gone });
  const { manifest, elsewhere, artifacts: rows } = await exportManifest(test.store, run);
  expect(elsewhere).toEqual([raw.id]);
  expect(rows.map(({ path }) => path)).toEqual(["made"]);
  expect(toYaml(manifest)).toContain(`depends_on: ["${raw.id}"]`);
});

test("an artifact keeps its own dataset over an export and an import", async () => {
  using test = await openTestStore();
  const run = test.run({ dataset: "corn" });
  await test.add({ run, path: "grain", dataset: "wheat" });
  await test.add({ run, path: "none", dataset: "default" });
  await test.add({ run, path: "cob", dataset: "corn" });
  const tree = join(dirname(test.store.root), "out");
  await writeManifestTree(test.store, [run], tree, true);
  using other = await openTestStore();
  await importManifests(other.store, findManifests(tree), { copy: true });
  const datasets = (store: TestStore["store"]): unknown =>
    artifacts.ofRun(store.db, runs.byId(store.db, run.id)?.seq as number).map(({ path, dataset }) => [path, dataset ?? "default"]);
  expect(datasets(other.store)).toEqual(datasets(test.store));
  expect(datasets(other.store)).toContainEqual(["grain", "wheat"]);
  expect(readdirSync(other.store.path("binaries")).toSorted()).toEqual(["corn", "default", "wheat"]);
  expect(await exported(other, run.id)).toMatchObject({ coffer: { artifacts: [{ dataset: "wheat" }, { dataset: "default" }] } });
});

test("runs are found by the dataset and pipeline of their artifacts too; what has no dataset is of the default one", async () => {
  using test = await openTestStore();
  const found = (dataset: string | null, pipeline: string | null = null): number[] =>
    ofPipelineAndDataset(test.store.db, pipeline, dataset).map(({ seq }) => seq);
  const [corn, none, removed, empty, going] = [
    test.run({ dataset: "corn", pipeline: "p" }),
    test.run(),
    test.run({ dataset: "corn" }),
    test.run({ dataset: "corn" }),
    test.run({ dataset: "corn", state: "running" }),
  ];
  await test.add({ run: corn, dataset: "wheat" });
  await test.add({ run: none });
  await test.add({ run: going });
  remove(test.store, { kind: "artifact", artifact: await test.add({ run: removed, dataset: "wheat" }) });
  expect(empty.state).toBe("finished");
  expect([found("corn"), found("wheat"), found("default"), found("nosuch")]).toEqual([[corn.seq], [corn.seq], [none.seq], []]);
  expect([found(null, "p"), found("wheat", "p"), found("default", "p")]).toEqual([[corn.seq], [corn.seq], []]);
});

test("an export that fails leaves nothing, and can be tried again", async () => {
  using test = await openTestStore();
  const run = test.run();
  await test.add({ run, path: "good" });
  const { blob } = await test.add({ run, path: "bad", bytes: "right" });
  const bad = test.store.path(blobs.bySeq(test.store.db, blob as number)?.path as string);
  const tree = join(dirname(test.store.root), "out");
  const around = readdirSync(dirname(tree));
  await sha256Of(test.store, blob as number);
  renameSync(bad, `${bad}.away`);
  await expect(writeManifestTree(test.store, [run], tree, true)).rejects.toMatchObject({ code: "CORRUPT" });
  expect(readdirSync(dirname(tree))).toEqual(around);
  renameSync(`${bad}.away`, bad);
  await writeManifestTree(test.store, [run], tree, true);
  expect(readdirSync(join(tree, "binaries/default")).toSorted()).toEqual(["bad", "good"]);
});

test("all that is exported is held before the first byte of it is read: neither gc nor repacking takes it away meanwhile", async () => {
  using test = await openTestStore();
  const [first, second] = [test.run(), test.run()];
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, `small ${index}`]));
  const rows = [
    await test.add({ run: first, name: "many", path: "many", files: many }),
    await test.add({ run: second, name: "late", path: "late" }),
  ];
  for (const name of ["many", "late"]) await test.add({ name });
  const tree = join(dirname(test.store.root), "out");
  const exporting = writeManifestTree(test.store, [first, second], tree, true);
  const held = test.store.db.query("SELECT blob FROM lease_blobs ORDER BY blob").values().flat();
  expect(held).toEqual(rows.map(({ blob }) => blob).toSorted());
  const gc = coffer(["gc", "--max-versions", "1", "--grace", "0", "--apply"], { root: test.store.root });
  await exporting;
  expect((await gc).code).toBe(0);
  expect(readdirSync(join(tree, "binaries/default/many"))).toHaveLength(40);
  expect(readFileSync(join(tree, "binaries/default/late"))).toHaveLength(rows[1]?.size as number);
  for (const { seq } of rows) expect(artifacts.bySeq(test.store.db, seq)?.blob).not.toBeNull();
});
