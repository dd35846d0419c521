import { chmodSync, cpSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import * as edges from "../../../src/db/records/edges.ts";
import * as metaSources from "../../../src/db/records/meta-sources.ts";
import * as runs from "../../../src/db/records/runs.ts";
import { findManifests } from "../../../src/manifest/import/find-manifests.ts";
import { importManifests } from "../../../src/manifest/import/import-manifests.ts";
import { readRow } from "../../../src/store/read.ts";
import { sha256Of } from "../../../src/store/sha256.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { fixture, foreignTree, put, sha256, UID } from "../foreign-tree.ts";

const byId = (test: TestStore, id: string): ArtifactRow => artifacts.latestOfId(test.store.db, id) as ArtifactRow;
const blobOf = (test: TestStore, id: string) => blobs.bySeq(test.store.db, byId(test, id).blob as number);
const count = (test: TestStore, table: "artifacts" | "runs" | "blobs" | "edges"): number =>
  (test.store.db.query(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
const A = "0001_pls:0:all";
const B = "0001_pls:1:all";

test("a tree of another program becomes a run with its artifacts, edges, sources and columns; its bytes stay where they are, unread", async () => {
  using test = await openTestStore();
  const imported = await importManifests(test.store, findManifests(fixture()), { copy: false });
  expect(imported).toMatchObject({ unverified: 4, missing: [], renumbered: [], notes: [] });
  const run = runs.byId(test.store.db, UID);
  expect(run).toMatchObject({ kind: "import", state: "finished", name: "pls", dataset: "corn_m5", pipeline: "0001_pls_abc123" });
  const stack = byId(test, "0001_pls_abc123:0:5:all");
  expect(stack).toMatchObject({
    name: "0001_pls_abc123:0:5:all",
    version: 1,
    role: "imported",
    type: "meta_model",
    class: "Ridge",
    branch: "[0]",
    step: 5,
    fold: null,
    size: 422,
    feature_columns: '["Ridge_pred","LinearRegression_pred"]',
    created_at: Date.parse("2026-11-20T08:22:24.430Z"),
  });
  const idOf = (seq: number): string | undefined => artifacts.bySeq(test.store.db, seq)?.id;
  expect(edges.dependencies(test.store.db, stack.seq).map(({ dependency, role }) => [idOf(dependency), role])).toEqual([
    ["0001_pls_abc123:0:3:0", "source"],
    ["0001_pls_abc123:0:3:1", "source"],
  ]);
  expect(metaSources.ofArtifact(test.store.db, stack.seq).map(({ source }) => idOf(source))).toEqual([
    "0001_pls_abc123:0:3:0",
    "0001_pls_abc123:0:3:1",
  ]);
  expect(blobOf(test, "0001_pls_abc123:0:5:all")).toMatchObject({
    state: "unverified",
    place: "foreign",
    blake3: null,
    path: `${fixture()}/binaries/corn_m5/meta_model_Ridge_c047704d7a92.joblib`,
  });
});

test("the same manifest again adds nothing; one that has grown adds what is new", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  await tree.import(test);
  expect((await tree.import(test)).manifests).toMatchObject([{ state: "known", artifacts: 0, known: 1 }]);
  expect(count(test, "artifacts")).toBe(1);
  tree.write([{ artifact_id: A }, { artifact_id: B, depends_on: [A] }]);
  expect((await tree.import(test)).manifests).toMatchObject([{ state: "grown", artifacts: 1, known: 1 }]);
  expect(count(test, "artifacts")).toBe(2);
  expect(count(test, "runs")).toBe(1);
  expect(edges.dependencies(test.store.db, byId(test, B).seq)).toMatchObject([{ dependency: byId(test, A).seq }]);
});

test("versions are kept where they are free, else the next one is given and said", async () => {
  using test = await openTestStore();
  const given: unknown[] = [];
  for (const [index, version] of [5, 5, 2].entries()) {
    using tree = foreignTree();
    const uid = UID.replace(/^4/, String(index + 1));
    tree.write([{ artifact_id: A, version }], { uid, bytes: { "0001_pls-0-all.joblib": `bytes ${index}` } });
    given.push(...(await tree.import(test)).renumbered);
  }
  expect(artifacts.list(test.store.db, { name: A }).map((row) => row.version)).toEqual([2, 6, 5]);
  expect(given).toEqual([{ id: A, said: 5, given: 6 }]);
  const next = await test.add({ name: A });
  expect(next.version).toBe(7);
});

test("what is known by its digest is used, whatever the manifest's file is", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  await tree.import(test);
  tree.write([{ artifact_id: A }, { artifact_id: B, path: "again.joblib" }], {
    uid: UID.replace(/^4/, "5"),
    pipeline: "0002",
    bytes: { "again.joblib": "0001_pls-0-all.joblib" },
  });
  await tree.import(test);
  expect(byId(test, B).blob).toBe(byId(test, A).blob as number);
  expect(count(test, "blobs")).toBe(1);
});

test("what records depend on is looked for in all that is imported, then in the store; what is nowhere is named once, and nothing is stored", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([
    { artifact_id: B, depends_on: [A, "nowhere", "nor-this"] },
    { artifact_id: "c", depends_on: ["nowhere"] },
  ]);
  const failure = tree.import(test);
  await expect(failure).rejects.toMatchObject({ code: "DEPENDENCY_MISSING", candidates: [A, "nowhere", "nor-this"] });
  expect([count(test, "runs"), count(test, "artifacts"), count(test, "blobs")]).toEqual([0, 0, 0]);

  const raw = await test.add({ name: "raw" });
  tree.write([{ artifact_id: B, depends_on: [A, "raw"] }]);
  tree.write([{ artifact_id: A }], { uid: UID.replace(/^4/, "5"), pipeline: "0000_before" });
  await tree.import(test);
  expect(edges.dependencies(test.store.db, byId(test, B).seq).map(({ dependency }) => dependency)).toEqual([byId(test, A).seq, raw.seq]);
});

test("a circle is refused, within what is imported and through what the store has", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([
    { artifact_id: A, depends_on: [B] },
    { artifact_id: B, depends_on: [A] },
    { artifact_id: "c", depends_on: [B] },
  ]);
  await expect(tree.import(test)).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE", candidates: [A, B, "c"] });
  const old = await test.add({ name: "x" });
  const made = await test.add({ name: "y", dependsOn: [old] });
  tree.write([{ artifact_id: old.id.split("/")[1] ?? "" }]);
  tree.write([{ artifact_id: A }, { artifact_id: B, depends_on: [A, made.id] }]);
  await tree.import(test);
  // B was made from A; a new A made from B would stand above itself
  using later = foreignTree();
  later.write(
    [
      { artifact_id: A, depends_on: ["z"] },
      { artifact_id: "z", depends_on: [B] },
    ],
    { uid: UID.replace(/^4/, "6") },
  );
  await expect(later.import(test)).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
});

test("a chain as long as the limit passes, one more is refused", async () => {
  using test = await openTestStore({ "artifact_store.max_dependency_depth": 3 });
  using tree = foreignTree();
  const chain = (length: number) =>
    Array.from({ length }, (_, index) => ({
      artifact_id: `0001_pls:${index}:all`,
      ...(index > 0 && { depends_on: [`0001_pls:${index - 1}:all`] }),
    }));
  tree.write(chain(5));
  await expect(tree.import(test)).rejects.toMatchObject({ code: "DEPENDENCY_TOO_DEEP" });
  tree.write(chain(4));
  await tree.import(test);
  using more = foreignTree();
  more.write([{ artifact_id: "0001_pls:9:all", depends_on: ["0001_pls:3:all"] }], { uid: UID.replace(/^4/, "5") });
  await expect(more.import(test)).rejects.toMatchObject({ code: "DEPENDENCY_TOO_DEEP" });
});

test("a missing file, and one of another size, are recorded and said", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }, { artifact_id: B, size_bytes: 3 }], { bytes: { "0001_pls-0-all.joblib": null } });
  const { missing } = await tree.import(test);
  expect(missing).toEqual([
    { id: A, path: tree.file("0001_pls-0-all.joblib"), why: "it is not there" },
    { id: B, path: tree.file("0001_pls-1-all.joblib"), why: "it has 21 bytes instead of 3" },
  ]);
  expect(count(test, "artifacts")).toBe(2);
});

test.each([
  ["a path that leads out", { path: "../../secret" }, /not a path inside a run/],
  ["an absolute path", { path: "/etc/passwd" }, /not a path inside a run/],
  ["no path", { path: undefined }, /items\[0\]\.path/],
  ["an id with a slash", { artifact_id: "a/b" }, /slash/],
  ["an id with a version", { artifact_id: "a@v1" }, /@/],
  ["no id", { artifact_id: undefined as never }, /items\[0\]\.artifact_id/],
  ["a digest of another algorithm", { content_hash: "md5:12" }, /no digest/],
  ["a size beyond all bounds", { size_bytes: Infinity }, /items\[0\]\.size_bytes/],
  ["an item without its last key", { version: undefined }, /items\[0\]\.version/],
  ["a meta-model without its sources", { artifact_type: "meta_model" }, /without meta_config/],
  ["a negative fold", { fold_id: -1 }, /items\[0\]\.fold_id/],
  ["parameters that are a list", { params: [1] }, /items\[0\]\.params/],
  ["a version that is none", { version: 0 }, /items\[0\]\.version/],
])("%s is refused with its place, and nothing is stored", async (_, change, words) => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: "fine" }]);
  tree.write([{ artifact_id: A, ...change }], { uid: UID.replace(/^4/, "5"), pipeline: "0002" });
  const failure = tree.import(test);
  await expect(failure).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringMatching(words) });
  expect([count(test, "runs"), count(test, "artifacts")]).toEqual([0, 0]);
});

test("a link that leads out of the tree is not followed; one inside is", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write(
    [
      { artifact_id: A, path: "link" },
      { artifact_id: B, path: "target" },
    ],
    { bytes: { link: "same", target: "same" } },
  );
  rmSync(tree.file("link"));
  symlinkSync("target", tree.file("link"));
  await tree.import(test);
  expect(blobOf(test, A)?.path).toBe(tree.file("target"));
  put(tree.root.at("outside"), "same");
  rmSync(tree.file("link"));
  symlinkSync(tree.root.at("outside"), tree.file("link"));
  tree.write([{ artifact_id: "x", path: "link", content_hash: `sha256:${sha256("other")}` }], {
    uid: UID.replace(/^4/, "5"),
    bytes: { link: null },
  });
  await expect(tree.import(test)).rejects.toMatchObject({ code: "PATH_INVALID" });
});

test("two digests for one file cannot both be true, and are refused", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([
    { artifact_id: A, path: "one" },
    { artifact_id: B, path: "one", content_hash: `sha256:${sha256("else")}` },
  ]);
  await expect(tree.import(test)).rejects.toMatchObject({ code: "COLLISION" });
});

test("with copy the bytes come into the store; a file that is not what its manifest says stops all of it", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }, { artifact_id: B, artifact_type: "report" }], { bytes: { "0001_pls-1-all.joblib": "as it was" } });
  writeFileSync(tree.file("0001_pls-1-all.joblib"), "was it as");
  const failure = tree.import(test, { copy: true });
  await expect(failure).rejects.toMatchObject({ code: "CORRUPT", message: "a file is not what its manifest says" });
  expect([count(test, "runs"), count(test, "artifacts")]).toEqual([0, 0]);
  writeFileSync(tree.file("0001_pls-1-all.joblib"), "as it was");
  expect(await tree.import(test, { copy: true })).toMatchObject({ unverified: 0, copied: { files: 2 } });
  expect(blobOf(test, A)).toMatchObject({ state: "live", place: "file" });
  expect(Buffer.from(blobOf(test, A)?.sha256 ?? []).toString("hex")).toBe(sha256("0001_pls-0-all.joblib"));
  expect(byId(test, A).digest).toStartWith("blake3:");
});

test("the list that came before schema 2.0 is imported one way: each under its name, found where that layout kept it", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const hash = sha256("scaler");
  put(tree.root.at("old/artifacts", `objects/ab/${hash}.pkl`), "scaler");
  put(
    tree.root.at("old/pipelines/uid-1/manifest.yaml"),
    `uid: "uid-1"\nname: svm_baseline\ndataset: corn\ncreated_at: "2025-10-13T23:00:00Z"\nversion: "1.0"\npipeline: [{MinMaxScaler: {}}]\nartifacts:\n` +
      `  - {hash: "sha256:${hash}", name: "MinMaxScaler_0.pkl", path: "objects/ab/${hash}.pkl", format: sklearn_pickle, size: 6, step: 2, saved_at: "2025-10-13T23:00:05Z", theirs: 1}\npredictions: []\n`,
  );
  const find = () => importManifests(test.store, findManifests(tree.root.at("old")), { copy: false });
  const { manifests } = await find();
  expect(manifests).toMatchObject([{ schema: "1.0", state: "imported", artifacts: 1 }]);
  const [row] = artifacts.ofRun(test.store.db, manifests[0]?.run.seq as number);
  expect(row).toMatchObject({
    path: "MinMaxScaler_0.pkl",
    name: null,
    step: 2,
    format: "sklearn_pickle",
    type: "model",
    extra: '{"theirs":1}',
  });
  expect((await find()).manifests).toMatchObject([{ state: "known" }]);
  expect(JSON.parse(manifests[0]?.run.extra as string)).toEqual({
    uid: "uid-1",
    created_at: "2025-10-13T23:00:00Z",
    pipeline: [{ MinMaxScaler: {} }],
    predictions: [],
  });
});

test.each([
  ['schema_version: "9.9"\nartifacts: {items: []}', /schema "9\.9"/],
  ["schema_version: 9.9\nartifacts: {items: []}", /schema 9\.9/],
  ['schema_version: "2.0"', /artifacts\.items is no list/],
  ['schema_version: "2.0"\nartifacts: []', /artifacts\.items is no list/],
  ["artifacts: {items: []}", /no schema_version/],
  ["something: else", /neither schema_version nor artifacts/],
])("%p is refused by name", async (text, words) => {
  using test = await openTestStore();
  using tree = foreignTree();
  put(tree.root.at("manifest.yaml"), text);
  const failure = importManifests(test.store, findManifests(tree.root.path), { copy: false });
  await expect(failure).rejects.toMatchObject({ code: "MANIFEST_INVALID", message: expect.stringMatching(words) });
  expect(count(test, "runs")).toBe(0);
});

test("a type that is none here, and numbers that lose digits, are said", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const path = tree.write([{ artifact_id: A, artifact_type: "ensemble" }], { top: { seed: 1 } });
  writeFileSync(path, readFileSync(path, "utf8").replace("seed: 1", "seed: 12345678901234567890"));
  const { notes } = await tree.import(test);
  expect(notes).toEqual([expect.stringContaining("beyond 2^53"), expect.stringContaining('"ensemble" is no type of artifact here')]);
  expect(byId(test, A)).toMatchObject({ type: "file", extra: expect.stringContaining("ensemble") });
});

test("no artifact file is opened", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  // whoever reads it finds other bytes of that size; nobody does
  writeFileSync(tree.file("0001_pls-0-all.joblib"), "x".repeat(21));
  chmodSync(tree.file("0001_pls-0-all.joblib"), 0);
  expect((await tree.import(test)).missing).toEqual([]);
  expect(blobOf(test, A)).toMatchObject({ state: "unverified", mtime_ns: null });
});

test("two imports of one manifest at the same time make one run with its records once", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }, { artifact_id: B, depends_on: [A] }]);
  // the first stops to copy, the second passes it
  const states = await Promise.all([tree.import(test, { copy: true }), tree.import(test)]);
  expect(states.flatMap(({ manifests }) => manifests.map(({ state }) => state)).toSorted()).toEqual(["imported", "known"]);
  expect([count(test, "runs"), count(test, "artifacts"), count(test, "edges")]).toEqual([1, 2, 1]);
});

const OTHER = UID.replace(/^4/, "5");
const FILE = "0001_pls-0-all.joblib";
const importFrom = (test: TestStore, path: string) => importManifests(test.store, findManifests(path), { copy: false });

test("a manifest that is named twice, also by way of a link, is taken once", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const path = tree.write([{ artifact_id: A }]);
  symlinkSync(path, tree.root.at("link.yaml"));
  const found = [path, path, tree.root.at("w"), tree.root.at("link.yaml")].flatMap(findManifests);
  expect((await importManifests(test.store, found, { copy: false })).manifests).toMatchObject([{ state: "imported", artifacts: 1 }]);
  expect(blobOf(test, A)?.path).toBe(tree.file(FILE));
});

test("two manifests of one run are refused by name, and can be taken one after the other", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const paths = [tree.write([{ artifact_id: A }]), tree.write([{ artifact_id: B }], { pipeline: "copy" })];
  const refused = await tree.import(test).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "MANIFEST_INVALID", hint: expect.stringContaining("one after the other") });
  for (const path of paths) expect((refused as Error).message).toContain(path);
  expect(count(test, "runs")).toBe(0);
  for (const path of paths) await importFrom(test, path);
  expect([count(test, "runs"), count(test, "artifacts")]).toEqual([1, 2]);
});

test("a manifest that has grown by another version of the same bytes adds it, once", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A, version: 1 }]);
  await tree.import(test);
  tree.write([
    { artifact_id: A, version: 2 },
    { artifact_id: A, version: 1 },
  ]);
  expect((await tree.import(test)).manifests).toMatchObject([{ state: "grown", artifacts: 1, known: 1 }]);
  expect((await tree.import(test)).manifests).toMatchObject([{ state: "known", artifacts: 0, known: 2 }]);
  expect(artifacts.list(test.store.db, { name: A }).map((row) => row.version)).toEqual([2, 1]);
});

test.each(["own", "foreign"])("a blob (%s) that a sweep was about to take is looked for where the manifest says", async (place) => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  if (place === "foreign") await tree.import(test);
  const seq = (place === "own" ? await test.add({ bytes: FILE }) : byId(test, A)).blob as number;
  if (place === "own") await sha256Of(test.store, seq);
  // as an interrupted sweep leaves it: until the next gc its row stays
  test.store.db.query("UPDATE artifacts SET state = 'deleted', blob = NULL WHERE blob = ?").run(seq);
  test.store.db.query("UPDATE blobs SET state = 'trashed', condemned_at = 1 WHERE seq = ?").run(seq);
  tree.write([{ artifact_id: B, path: FILE }], { uid: OTHER });
  expect(await tree.import(test)).toMatchObject({ unverified: 1, missing: [] });
  expect(blobOf(test, B)).toMatchObject({ seq, state: "unverified", condemned_at: null, place: "foreign", path: tree.file(FILE) });
  expect(await readRow(test.store, seq)).toMatchObject({ seq, state: "live" });
});

test.each([
  ["not read yet, the same manifest", false, UID],
  ["read before, the same manifest", true, UID],
  ["not read yet, another manifest", false, OTHER],
  ["read before, another manifest", true, OTHER],
])("bytes that were moved are found by an import from where they are now: %s", async (_, isRead, uid) => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  await tree.import(test);
  if (isRead) await readRow(test.store, byId(test, A).blob as number);
  tree.write([{ artifact_id: uid === UID ? A : B, path: FILE }], { uid });
  renameSync(tree.root.at("w"), tree.root.at("w2"));
  expect(await importFrom(test, tree.root.at("w2"))).toMatchObject({ relocated: uid === UID ? 1 : 0, missing: [] });
  expect(blobOf(test, A)).toMatchObject({ path: tree.root.at("w2/binaries/corn", FILE), state: "unverified", mtime_ns: null });
  expect(await readRow(test.store, byId(test, A).blob as number)).toMatchObject({ state: "live" });
  expect(await importFrom(test, tree.root.at("w2"))).toMatchObject({ relocated: 0, missing: [] });
});

test("a record whose bytes are neither where they were nor in the tree is missing at each import", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  await tree.import(test);
  rmSync(tree.file(FILE));
  const missing = [{ id: A, path: tree.file(FILE), why: "it is not there" }];
  expect(await tree.import(test)).toMatchObject({ manifests: [{ state: "known" }], relocated: 0, missing });
});

test.each([false, true])(
  "with copy a known record's bytes come in too (read before: %p), and a second time nothing is new",
  async (isRead) => {
    using test = await openTestStore();
    using tree = foreignTree();
    tree.write([{ artifact_id: A }]);
    await tree.import(test);
    if (isRead) await readRow(test.store, byId(test, A).blob as number);
    expect(await tree.import(test, { copy: true })).toMatchObject({ manifests: [{ state: "known" }], copied: { files: 1 } });
    expect(blobOf(test, A)).toMatchObject({ place: "file", state: "live" });
    rmSync(tree.file(FILE));
    expect(await tree.import(test, { copy: true })).toMatchObject({ manifests: [{ state: "known" }], copied: { files: 0 }, missing: [] });
    expect([count(test, "artifacts"), count(test, "blobs")]).toEqual([1, 1]);
  },
);

test("what was copied at once is known the next time", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  await tree.import(test, { copy: true });
  expect((await tree.import(test, { copy: true })).manifests).toMatchObject([{ state: "known" }]);
  expect(count(test, "artifacts")).toBe(1);
});

test("copied bytes are those of a record, too, that knew them by SHA-256 alone", async () => {
  using test = await openTestStore();
  using tree = foreignTree();
  const own = await test.add({ bytes: FILE });
  tree.write([{ artifact_id: A }]);
  await tree.import(test);
  expect(byId(test, A).blob).not.toBe(own.blob);
  await tree.import(test, { copy: true });
  expect([byId(test, A).blob, byId(test, A).digest]).toEqual([own.blob, own.digest]);
});

test.each(["store", "workspace", "mlflow"] as const)("bytes below the %s root are copied: they may be cleaned up there", async (which) => {
  using test = await openTestStore();
  using tree = foreignTree();
  tree.write([{ artifact_id: A }]);
  const root = join(test.store.settings.roots[which], "theirs");
  cpSync(tree.root.at("w"), root, { recursive: true });
  expect(await importFrom(test, root)).toMatchObject({ unverified: 0, copied: { files: 1 } });
  expect(blobOf(test, A)).toMatchObject({ place: "file", state: "live" });
});
