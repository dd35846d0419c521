import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { readWorkspaceManifest } from "../../../src/manifest/export/workspace-manifest.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";

async function read(text: string): Promise<ReturnType<typeof readWorkspaceManifest>> {
  using root = temporaryRoot();
  await Bun.write(root.at("manifest.yaml"), text);
  return readWorkspaceManifest(root.path);
}

const HEAD = 'schema_version: "2.0"\nuid: u\nartifacts:\n  schema_version: "2.0"\n  items:\n';

test("an item has what the script says, and defaults for the rest", async () => {
  const digest = "ab".repeat(32);
  const manifest = await read(`${HEAD}  - artifact_id: "0001_pls:0:3.1:2"
    path: ./binaries/m.joblib
    artifact_type: model
    class_name: PLS
    depends_on: ["0001_pls:1:all"]
    content_hash: "sha256:${digest}"
    params: {n: 3}
    size_bytes: 10
    theirs: [1]
  - {artifact_id: report, path: report.md, class_name: null, depends_on: null, params: null, content_hash: null}
`);
  expect(manifest?.problems).toEqual([]);
  expect(manifest?.items).toEqual([
    {
      id: "0001_pls:0:3.1:2",
      step: { pipeline: "0001_pls", branch: [0], step: 3, subStep: 1, fold: 2 },
      path: "binaries/m.joblib",
      type: "model",
      class: "PLS",
      dependsOn: ["0001_pls:1:all"],
      format: undefined,
      formatVersion: undefined,
      params: { n: 3 },
      sourceIds: [],
      featureColumns: undefined,
      digest: { algorithm: "sha256", hex: digest },
      extra: { theirs: [1] },
    },
    {
      id: "report",
      step: undefined,
      path: "report.md",
      type: "file",
      class: undefined,
      dependsOn: [],
      format: undefined,
      formatVersion: undefined,
      params: {},
      sourceIds: [],
      featureColumns: undefined,
      digest: undefined,
      extra: {},
    },
  ]);
});

test("a meta-model's sources come in the order of their features, whatever the order they stand in", async () => {
  const manifest = await read(`${HEAD}  - artifact_id: stack
    path: stack.joblib
    artifact_type: meta_model
    meta_config:
      source_models:
      - {artifact_id: second, feature_index: 1}
      - {artifact_id: first, feature_index: 0}
      feature_columns: [a, b]
  - {artifact_id: other, path: other, meta_config: {source_models: [{artifact_id: x}, {artifact_id: y}]}}
`);
  expect(manifest?.problems).toEqual([]);
  expect(manifest?.items.map(({ sourceIds, featureColumns }) => ({ sourceIds, featureColumns }))).toEqual([
    { sourceIds: ["first", "second"], featureColumns: ["a", "b"] },
    { sourceIds: ["x", "y"], featureColumns: undefined },
  ]);
});

test("an id that is not quite one of a step is a name, as at an import; what YAML may hold is the same as there", async () => {
  const manifest = await read(`${HEAD}  - {artifact_id: "p:03:all", path: a}
  - {artifact_id: "p:1:2:3.1:all", path: b, params: {"<<": {x: 1}}}
`);
  expect(manifest?.items).toMatchObject([
    { id: "p:03:all", step: undefined },
    { step: { pipeline: "p", branch: [1, 2], step: 3, subStep: 1, fold: null }, params: { "<<": { x: 1 } } },
  ]);
});

test.each([
  ["an unknown type", "{artifact_id: a, path: a, artifact_type: modle}", /modl/],
  ["no path", "{artifact_id: a}", /path/],
  ["a path that leads out", "{artifact_id: a, path: ../a}", /not a path inside a run/],
  ["an absolute path", "{artifact_id: a, path: /etc/passwd}", /not a path inside a run/],
  ["a name with a slash", "{artifact_id: a/b, path: a}", /slash/],
  ["a name with an @", "{artifact_id: a@v1, path: a}", /@/],
  ["no map", "3", /./],
  ["a digest of another algorithm", '{artifact_id: a, path: a, content_hash: "md5:x"}', /no digest/],
  ["a digest that YAML takes for a number", "{artifact_id: a, path: a, content_hash: 12}", /content_hash|string/i],
  ["a class with a control character", '{artifact_id: a, path: a, class_name: "\\e[31m"}', /control character/],
  [
    "two sources of one number",
    "{artifact_id: a, path: a, meta_config: {source_models: [{artifact_id: x, feature_index: 0}, {artifact_id: y, feature_index: 0}]}}",
    /feature_index 0/,
  ],
  [
    "a column twice",
    "{artifact_id: a, path: a, meta_config: {source_models: [{artifact_id: x}, {artifact_id: y}], feature_columns: [c, c]}}",
    /twice/,
  ],
  ["parameters that hold themselves", "{artifact_id: a, path: a, params: &x {a: *x}}", /\(a\): it is nested too deeply/],
])("an item with %s is a sentence, and the others stand", async (_, item, words) => {
  const manifest = await read(`${HEAD}  - ${item}\n  - {artifact_id: fine, path: fine}\n`);
  expect(manifest?.items.map(({ id }) => id)).toEqual(["fine"]);
  expect(manifest?.problems).toEqual([expect.stringMatching(/^manifest\.yaml, item 1[ :]/)]);
  expect(manifest?.problems[0]).toMatch(words);
});

test.each([
  ["another version", 'schema_version: "2.1"\nartifacts: {items: []}'],
  ["a number for a version", "schema_version: 2.0\nartifacts: {items: []}"],
  ["a list under artifacts", 'schema_version: "2.0"\nartifacts: []'],
  ["another version inside", 'schema_version: "2.0"\nartifacts: {schema_version: "3.0", items: []}'],
  ["no items", 'schema_version: "2.0"\nartifacts: {}'],
  ["several documents", 'schema_version: "2.0"\n---\nartifacts: {items: []}'],
  ["nothing", ""],
  ["no YAML", "\t{"],
])("%s is not this kind of manifest", async (_, text) => {
  expect(await read(text)).toBeUndefined();
});

test("a directory or a link of that name is none, and neither is nothing", () => {
  using root = temporaryRoot();
  expect(readWorkspaceManifest(root.path)).toBeUndefined();
  mkdirSync(root.at("manifest.yaml"));
  expect(readWorkspaceManifest(root.path)).toBeUndefined();
  mkdirSync(root.at("w"));
  symlinkSync("/etc/hosts", root.at("w/manifest.yaml"));
  expect(readWorkspaceManifest(root.at("w"))).toBeUndefined();
});

test("texts whose aliases would fill the memory are not expanded: the file is an ordinary output, and that is said", async () => {
  const manifest = await read(
    `schema_version: "2.0"\ns: &s "${"A".repeat(1 << 20)}"\nartifacts:\n  items: [{artifact_id: a, path: a, params: {t: [${"*s,".repeat(100)}]}}]\n`,
  );
  expect(manifest).toEqual({ items: [], problems: [expect.stringContaining("longer than 64 MiB")], notes: [], isOutput: true });
});

test("numbers that lose digits are said", async () => {
  expect(
    await read(`${HEAD}  - {artifact_id: a, path: a, params: {seed: 1234567890123456789012345, n: 9007199254740993, x: 1e400}}`),
  ).toMatchObject({
    problems: [],
    notes: [expect.stringContaining("3 numbers are too large")],
  });
});

test("digests are taken as an import takes them: without an algorithm, of another one, in upper case", async () => {
  const hex = "ab".repeat(32);
  const manifest = await read(`${HEAD}  - {artifact_id: a, path: a, content_hash: ${hex}}
  - {artifact_id: b, path: b, content_hash: "blake3:${hex}"}
  - {artifact_id: c, path: c, content_hash: "SHA256:${hex.toUpperCase()}"}
`);
  expect(manifest?.items.map(({ digest }) => `${digest?.algorithm}:${digest?.hex}`)).toEqual([
    `sha256:${hex}`,
    `blake3:${hex}`,
    `sha256:${hex}`,
  ]);
});
