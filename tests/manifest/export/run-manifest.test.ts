import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as runs from "../../../src/db/records/runs.ts";
import { writeDueManifests } from "../../../src/manifest/check/write-due-manifests.ts";
import { writeRunManifests } from "../../../src/manifest/export/run-manifest.ts";
import { openTestStore } from "../../support/store.ts";

test("a run that has ended is written down once, and again when its records change; a running one is not", async () => {
  using test = await openTestStore();
  const { store } = test;
  const [ended, running] = [test.run({ dataset: "corn" }), test.run({ state: "running" })];
  for (const { seq } of [ended, running]) runs.update(store.db, seq, { manifest: "due" });
  writeDueManifests(store);
  expect(readdirSync(store.path("manifests")).filter((name) => name.endsWith(".yaml"))).toEqual([`${ended.id}.yaml`]);
  expect(runs.bySeq(store.db, ended.seq)?.manifest).toBe("written");
  const path = store.path("manifests", `${ended.id}.yaml`);
  expect(readFileSync(path, "utf8")).toContain('dataset: "corn"');
  runs.update(store.db, ended.seq, { note: "seen again", manifest: "due" });
  writeDueManifests(store);
  expect(readFileSync(path, "utf8")).toContain('note: "seen again"');
});

test("whoever writes new ones only leaves those alone that are there, and says so", async () => {
  using test = await openTestStore();
  const { store } = test;
  const [old, made] = [test.run(), test.run()];
  const path = store.path("manifests", `${old.id}.yaml`);
  for (const { seq } of [old, made]) runs.update(store.db, seq, { manifest: "due" });
  mkdirSync(store.path("manifests"), { recursive: true });
  writeFileSync(path, "of before");
  expect(writeRunManifests(store)).toBe(false);
  expect([old, made].map(({ seq }) => runs.bySeq(store.db, seq)?.manifest)).toEqual(["due", "written"]);
  expect(readFileSync(path, "utf8")).toBe("of before");
  writeDueManifests(store);
  expect(runs.bySeq(store.db, old.seq)?.manifest).toBe("written");
  expect(writeRunManifests(store)).toBe(true);
});

test("where nothing is due, no directory is made", async () => {
  using test = await openTestStore();
  test.run();
  writeDueManifests(test.store);
  expect(existsSync(test.store.path("manifests"))).toBe(false);
});

test("it is a manifest of schema 2.0: items have exactly the format's keys, ids are quoted, and ours is in one block", async () => {
  using test = await openTestStore();
  const run = test.run();
  const data = await test.add({ run, path: "data", name: "10000:3:0" });
  const model = await test.add({ run, path: "model.pt", name: "model", dependsOn: [data] });
  runs.update(test.store.db, run.seq, { manifest: "due" });
  writeDueManifests(test.store);
  const text = readFileSync(test.store.path("manifests", `${run.id}.yaml`), "utf8");
  const read = Bun.YAML.parse(text) as {
    schema_version: string;
    artifacts: { schema_version: string; items: Record<string, unknown>[] };
    coffer: { run: Record<string, unknown>; artifacts: Record<string, unknown>[] };
  };
  expect(Object.keys(read)).toEqual([
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
  expect([read.schema_version, read.artifacts.schema_version]).toEqual(["2.0", "2.0"]);
  const keys =
    "artifact_id content_hash path pipeline_id branch_path step_index fold_id artifact_type class_name depends_on format format_version size_bytes created_at params version";
  for (const item of read.artifacts.items) expect(Object.keys(item)).toEqual(keys.split(" "));
  expect(read.artifacts.items.map((item) => item["content_hash"])).toEqual([data.digest, model.digest]);
  expect(read.artifacts.items[1]?.["depends_on"]).toEqual([data.id]);
  expect(text).toContain(`- artifact_id: "${data.id}"`);
  expect(text).toContain('name: "10000:3:0"');
  expect(read.coffer.artifacts.map((block) => [block["uid"], block["name"], block["version"], block["state"]])).toEqual([
    [data.uid, "10000:3:0", 1, "live"],
    [model.uid, "model", 1, "live"],
  ]);
});

test("what is out of sight is no item, but is in our block, so that it can come back after a rebuild", async () => {
  using test = await openTestStore();
  const run = test.run();
  const artifact = await test.add({ run, name: "m" });
  test.store.db.query("UPDATE artifacts SET state = 'withdrawn' WHERE seq = ?").run(artifact.seq);
  runs.update(test.store.db, run.seq, { manifest: "due" });
  writeDueManifests(test.store);
  const manifest = Bun.YAML.parse(readFileSync(test.store.path("manifests", `${run.id}.yaml`), "utf8")) as {
    artifacts: { items: unknown[] };
    coffer: { artifacts: { state: string }[] };
  };
  expect([manifest.artifacts.items, manifest.coffer.artifacts.map(({ state }) => state)]).toEqual([[], ["withdrawn"]]);
});

test("every column of an artifact is in its block, but those that only this database understands", async () => {
  using test = await openTestStore();
  const run = test.run();
  await test.add({ run, name: "m" });
  runs.update(test.store.db, run.seq, { manifest: "due" });
  writeDueManifests(test.store);
  const manifest = Bun.YAML.parse(readFileSync(test.store.path("manifests", `${run.id}.yaml`), "utf8")) as {
    coffer: { artifacts: Record<string, unknown>[] };
  };
  const block = Object.keys(manifest.coffer.artifacts[0] ?? {});
  const columns = (test.store.db.query("PRAGMA table_info(artifacts)").all() as { name: string }[]).map(({ name }) => name);
  expect(columns.filter((column) => !block.includes(column))).toEqual(["id", "run", "blob"]);
});
