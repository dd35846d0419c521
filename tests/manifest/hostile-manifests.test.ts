import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as blobs from "../../src/db/bytes/blobs.ts";
import * as runs from "../../src/db/records/runs.ts";
import type { RunRow } from "../../src/db/records/runs.ts";
import { findManifests } from "../../src/manifest/import/find-manifests.ts";
import { importManifests } from "../../src/manifest/import/import-manifests.ts";
import { writeManifestTree } from "../../src/manifest/export/write-manifest-tree.ts";
import type { Plain } from "../../src/manifest/read/yaml.ts";
import { sha256Of } from "../../src/store/sha256.ts";
import { writeOut } from "../../src/store/bytes/write-out.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { foreignTree, put, sha256, UID } from "./foreign-tree.ts";

const A = "p:1:0";
const byId = (test: TestStore, id: string): ArtifactRow => artifacts.latestOfId(test.store.db, id) as ArtifactRow;
const count = (test: TestStore): number => (test.store.db.query("SELECT count(*) AS n FROM runs").get() as { n: number }).n;
const entry = (said: Record<string, Plain>): Plain => ({ artifacts: [{ artifact_id: A, version: 1, ...said }] });

test.each<[string, Plain, RegExp]>([
  ["a path that leads out", entry({ path: "../../../ESCAPED" }), /not a path inside/],
  ["an absolute path", entry({ path: "/tmp/x" }), /not a path inside/],
  ["a name with a slash", entry({ name: "../x" }), /slash/],
  ["a name that reads as a version", entry({ name: "x@v1" }), /@/],
  ["a dataset that is a path", entry({ dataset: ".." }), /dataset/],
  ["a kind that is none", entry({ kind: "socket" }), /kind/],
  ["a mode that is none", entry({ mode: -1 }), /mode/],
  ["half a file", entry({ kind: "tree", files: 1.5 }), /files/],
  ["a role with a control character", entry({ edges: [{ to: "x", role: "\u001b[31m" }] }), /role/],
  ["a tag with a control character", entry({ tags: { "a\u001b": "x" } }), /key of a tag/],
  ["a tag that is a map", entry({ tags: { a: {} } }), /tags/],
  ["a metric that is a word", entry({ metrics: { a: "word" } }), /metrics/],
  ["a uid that is none", entry({ uid: "x" }), /uid/],
  ["a commit that is none", entry({ code_commit: "\u001b]0;x\u0007" }), /code_commit/],
  ["a version beyond all counting", { artifacts: [{ artifact_id: A, version: 2 ** 53 - 1 }] }, /version/],
  ["a state that is none", { run: { state: "running" } }, /state/],
  ["a param without a key", { run: { params: { "": 1 } } }, /key of a param/],
  [
    "something gone that leads out",
    { gone: [{ artifact_id: "x", version: 1, record: { artifact_id: "x", path: "../x" } }] },
    /coffer\.gone\[0\]/,
  ],
  ["no map", "coffer", /coffer/],
])("a coffer block with %s is refused, and nothing is stored", async (_, coffer, words) => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A, version: 1 }], { top: { coffer } });
  await expect(tree.import(test)).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringMatching(words) });
  expect(count(test)).toBe(0);
});

test("no bits that make a reader somebody else are taken over, and an export writes nothing outside, whatever the database holds", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A, path: "m", version: 1 }], { top: { coffer: entry({ mode: 0o4755 }) } });
  await tree.import(test);
  expect(byId(test, A).mode).toBe(0o755);
  test.store.db.query("UPDATE artifacts SET mode = ?").run(0o4755);
  const out = join(dirname(test.store.root), "deep/out");
  const run = runs.byId(test.store.db, UID) as RunRow;
  await writeManifestTree(test.store, [run], out, true);
  expect(statSync(join(out, "binaries/corn/m")).mode & 0o7777).toBe(0o755);
  rmSync(out, { recursive: true });
  test.store.db.query("UPDATE artifacts SET path = '../../../ESCAPED'").run();
  await expect(writeManifestTree(test.store, [run], out, true)).rejects.toMatchObject({ code: "PATH_INVALID" });
  expect([readdirSync(dirname(test.store.root)).includes("ESCAPED"), readdirSync(dirname(out))]).toEqual([false, []]);
});

test("what looks like a secret is stored nowhere, and that is said; what things are found by stays", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const key = "AKIAABCDEFGHIJKLMNOP";
  const secret = "of-the-environment";
  const path = `sk-learn_pipeline_of_models`;
  tree.write(
    [
      {
        artifact_id: A,
        version: 1,
        path,
        params: { api_key: "first-one", db: { password: "second-one", port: 5432 } },
        theirs: `x ${secret}`,
      },
    ],
    {
      top: {
        metadata: { url: "https://u:hunter22@host/x" },
        note: key,
        coffer: {
          run: { params: { token: "third-one", lr: 0.1 }, tags: { t: key } },
          artifacts: [{ artifact_id: A, version: 1, tags: { t: secret }, description: key }],
        },
      },
    },
  );
  const { notes } = await importManifests(test.store, findManifests(tree.root.at("w")), { copy: false, secrets: [secret] });
  expect(notes).toEqual([expect.stringContaining("looks like a secret")]);
  expect(byId(test, A)).toMatchObject({ path, params: '{"api_key":"[redacted]","db":{"password":"[redacted]","port":5432}}' });
  test.store.db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  const stored = readFileSync(test.store.path("coffer.db"), "latin1");
  for (const word of [key, secret, "hunter22", "first-one", "second-one", "third-one"])
    expect([word, stored.includes(word)]).toEqual([word, false]);
});

test("size, kind and files are those of bytes that the store knows", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const { blob } = await test.add({ bytes: "model" });
  const directory = await test.add({ files: { a: "1", b: "22" } });
  const hash = `sha256:${await sha256Of(test.store, blob as number)}`;
  const list = `sha256:${await sha256Of(test.store, directory.blob as number)}`;
  tree.write(
    [
      { artifact_id: A, version: 1, path: "m", content_hash: hash, size_bytes: 10 ** 12 },
      { artifact_id: "p:2:0", version: 1, path: "d", content_hash: list, size_bytes: 7 },
    ],
    { bytes: { m: null, d: null }, top: { coffer: entry({ kind: "tree", files: 9 }) } },
  );
  await tree.import(test);
  expect(byId(test, A)).toMatchObject({ kind: "file", size: 5, files: 1, mode: 0o644 });
  expect(byId(test, "p:2:0")).toMatchObject({ kind: "tree", size: 3, files: 2, mode: 0o755 });
});

test("a list whose links lead out by way of each other is never written", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const list = 'coffer tree 1\n120000 "esc" "p/q/../OUT"\n120000 "p/q" ".."\n';
  tree.write([{ artifact_id: A, version: 1, path: "d", content_hash: `sha256:${sha256(list)}` }], {
    bytes: { d: list },
    top: { coffer: entry({ kind: "tree" }) },
  });
  await tree.import(test);
  const { blob } = byId(test, A);
  const target = join(dirname(test.store.root), "out");
  await expect(writeOut(test.store, { kind: "tree", blob: blob as number, mode: 0o755 }, target)).rejects.toMatchObject({
    code: "CORRUPT",
  });
  expect(readdirSync(dirname(target))).not.toContain("out");
});

test("a manifest of a run of this store with records that it has not made is refused by name; with its own it is known, read or not", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const run = test.run();
  const made = await test.add({ run, path: "made", bytes: "made" });
  const own = { artifact_id: made.id, version: 1, path: "made", content_hash: `sha256:${sha256("made")}` };
  tree.write([own, { artifact_id: A, version: 1 }], { uid: run.id });
  await expect(tree.import(test)).rejects.toMatchObject({ code: "COLLISION", candidates: [A] });
  tree.write([{ ...own, content_hash: `sha256:${sha256("others")}` }], { uid: run.id });
  await expect(tree.import(test)).rejects.toMatchObject({ code: "COLLISION", candidates: [made.id] });
  tree.write([own], { uid: run.id });
  expect((await tree.import(test)).manifests).toMatchObject([{ state: "known", artifacts: 0, known: 1 }]);
});

test.each([99999999999999, 1e16, -1e300, "999999-01-01T00:00:00"])(
  "a time that no calendar has (%p) is kept as it stands there",
  async (time) => {
    using test = await openTestStore();
    using tree = foreignTree();
    tree.write([{ artifact_id: A, version: 1, created_at: time }], { top: { created_at: time } });
    await tree.import(test);
    expect(JSON.parse(byId(test, A).extra)).toEqual({ created_at: time });
    expect(JSON.parse((runs.byId(test.store.db, UID) as RunRow).extra)).toEqual({ created_at: time });
  },
);

test.each<[string, Plain, RegExp]>([
  [
    "the same number twice",
    {
      source_models: [
        { artifact_id: "a", feature_index: 0 },
        { artifact_id: "b", feature_index: 0 },
      ],
      feature_columns: ["x", "y"],
    },
    /feature_index 0/,
  ],
  [
    "the same source twice",
    { source_models: [{ artifact_id: "a" }, { artifact_id: "a" }], feature_columns: ["x", "y"] },
    /names a source twice/,
  ],
  [
    "the same column twice",
    { source_models: [{ artifact_id: "a" }, { artifact_id: "b" }], feature_columns: ["x", "x"] },
    /“x” is there twice/,
  ],
])("a meta-model with %s is refused", async (_, meta, words) => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: "a" }, { artifact_id: "b" }, { artifact_id: "m", artifact_type: "meta_model", meta_config: meta }]);
  await expect(tree.import(test)).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringMatching(words) });
  expect(count(test)).toBe(0);
});

test.each([
  ['schema_version: ["2.0"]\nartifacts: {items: []}', /schema \["2\.0"\]/],
  ['schema_version: "2.0"\nartifacts: {schema_version: "3.0", items: []}', /schema "3\.0"/],
  ['schema_version: "2.0"\nartifacts: {schema_version: "1.0", items: []}', /artifacts\.schema_version is "1\.0"/],
  [`schema_version: "2.0"\nartifacts: {items: [${"1,".repeat(100_001)}]}`, /100001 records/],
])("a manifest is refused by its version or its length (%#)", async (text, words) => {
  using test = await openTestStore();
  using tree = foreignTree();
  put(tree.root.at("manifest.yaml"), text);
  const failure = importManifests(test.store, findManifests(tree.root.path), { copy: false });
  await expect(failure).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringMatching(words) });
});

test("without a digest only a file of the manifest's own places is hashed and taken over", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  put(tree.root.at("w/notes/private"), "private");
  tree.write([{ artifact_id: A, path: "notes/private", content_hash: null }], { bytes: { "notes/private": null } });
  await expect(tree.import(test)).rejects.toMatchObject({
    code: "MANIFEST_INVALID",
    message: expect.stringContaining("neither in binaries/"),
  });
  put(tree.file("notes/private"), "meant");
  await tree.import(test);
  expect(Buffer.from(blobs.bySeq(test.store.db, byId(test, A).blob as number)?.sha256 ?? []).toString("hex")).toBe(sha256("meant"));
});

test("a step that is no whole number is kept as it stands in the list of schema 1", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  put(tree.root.at("old/manifest.yaml"), `uid: ${UID}\nartifacts: [{name: a.pkl, hash: "${sha256("a")}", step: 1.5}]\n`);
  put(tree.root.at("old/a.pkl"), "a");
  await importManifests(test.store, findManifests(tree.root.at("old")), { copy: false });
  const [row] = artifacts.ofRun(test.store.db, runs.byId(test.store.db, UID)?.seq as number);
  expect(row).toMatchObject({ step: null, extra: '{"step":1.5}' });
});

test("a directory that was not there is taken in when it is; a file that grew meanwhile is looked at again", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  using source = await openTestStore();
  const run = source.run({ dataset: "corn" });
  await source.add({ run, path: "plots", files: { "a.png": "a", "b/c.png": "c" } });
  const out = join(dirname(source.store.root), "out");
  await writeManifestTree(source.store, [run], out, true);
  renameSync(join(out, "binaries/corn/plots"), join(out, "away"));
  const find = (copy: boolean) => importManifests(test.store, findManifests(out), { copy });
  expect((await find(false)).missing).toMatchObject([{ why: "it is not there" }]);
  expect((await find(true)).missing).toMatchObject([{ why: "it is not there" }]);
  renameSync(join(out, "away"), join(out, "binaries/corn/plots"));
  expect(await find(false)).toMatchObject({ missing: [], copied: { files: 2 } });
  const [row] = artifacts.ofRun(test.store.db, runs.byId(test.store.db, run.id)?.seq as number);
  await writeOut(test.store, { kind: "tree", blob: row?.blob as number, mode: 0o755 }, join(out, "again"));
  expect(readFileSync(join(out, "again/b/c.png"), "utf8")).toBe("c");

  tree.write([{ artifact_id: A, version: 1, path: "m", size_bytes: null }], { bytes: { m: "whole" } });
  writeFileSync(tree.file("m"), "who");
  await tree.import(test);
  writeFileSync(tree.file("m"), "whole");
  await tree.import(test);
  expect(byId(test, A).size).toBe(5);
});
