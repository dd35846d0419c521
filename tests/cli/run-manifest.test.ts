import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { events, paths, place } from "./run-place.ts";

interface Item {
  artifact_id: string;
  path: string;
  [key: string]: unknown;
}

/** A script that writes a manifest of schema 2.0 with these items into its workspace. */
function manifest(...items: Item[]): string {
  return `cat >$W/manifest.yaml <<'END'\n${JSON.stringify({ schema_version: "2.0", uid: "u", pipeline_id: "0001_pls", artifacts: { schema_version: "2.0", items } })}\nEND\n`;
}

test("a script's own manifest names its outputs: ids, types, classes, parameters, and dependencies in whatever order", async () => {
  using here = place();
  const script = `cd $W; mkdir binaries; echo p >binaries/pls.joblib; echo s >binaries/scaler.joblib; echo x >report.md; ${manifest(
    {
      artifact_id: "0001_pls:3:all",
      path: "binaries/pls.joblib",
      artifact_type: "model",
      class_name: "PLSRegression",
      depends_on: ["0001_pls:1:all"],
      params: { n: 10 },
      format: "joblib",
      format_version: "sklearn==1.5",
      origin: "theirs",
    },
    { artifact_id: "0001_pls:1:all", path: "./binaries/scaler.joblib", artifact_type: "transformer", class_name: "Scaler" },
    { artifact_id: "summary", path: "report.md", artifact_type: "report" },
  )}`;
  const result = await here.run(script);
  expect([result.code, result.stderr]).toEqual([0, expect.not.stringContaining("warning")]);
  const run = await here.shown();
  expect(run.artifacts.map(({ path, name }) => [path, name]).toSorted()).toEqual([
    ["binaries", null],
    ["binaries/pls.joblib", "0001_pls:3:all"],
    ["binaries/scaler.joblib", "0001_pls:1:all"],
    ["report.md", "summary"],
  ]);
  const pls = await here.artifact("0001_pls:3:all");
  expect([pls.id, pls.type, pls.class, pls.depends_on, pls.params, pls.format, pls.format_version]).toEqual([
    "0001_pls:3:all",
    "model",
    "PLSRegression",
    ["0001_pls:1:all"],
    { n: 10 },
    "joblib",
    "sklearn==1.5",
  ]);
  expect([pls.pipeline_id, pls.step_index, pls.fold_id, pls.branch_path]).toEqual(["0001_pls", 3, null, []]);
  expect(here.binaries().some((file) => /model_PLSRegression_[0-9a-f]{12}\.joblib$/.test(file))).toBe(true);
  await here.run(script);
  expect((await here.artifact("0001_pls:3:all@v2")).version).toBe(2);
});

test("a script's manifest registers a meta-model with its sources, before them in the list or behind, and refuses one of another branch", async () => {
  using here = place();
  const meta = (id: string, path: string, ...sources: string[]) => ({
    artifact_id: id,
    path,
    artifact_type: "meta_model",
    depends_on: ["data", ...sources],
    meta_config: { source_models: sources.map((artifact_id, place) => ({ artifact_id, feature_index: sources.length - 1 - place })) },
  });
  const script = `cd $W; for f in data a b stack other; do echo $f >$f; done; ${manifest(
    meta("0001_pls:0:4:all", "stack", "0001_pls:3:all", "0001_pls:0:3:all"),
    meta("0001_pls:1:4:all", "other", "0001_pls:0:3:all"),
    { artifact_id: "data", path: "data" },
    { artifact_id: "0001_pls:0:3:all", path: "a", artifact_type: "model", class_name: "Ridge" },
    { artifact_id: "0001_pls:3:all", path: "b", artifact_type: "model", class_name: "PLS" },
  )}`;
  await here.run(script);
  const stack = await here.artifact("0001_pls:0:4:all");
  expect([stack.type, stack.meta_config]).toEqual([
    "meta_model",
    {
      source_models: [
        { artifact_id: "0001_pls:0:3:all", feature_index: 0 },
        { artifact_id: "0001_pls:3:all", feature_index: 1 },
      ],
      feature_columns: ["Ridge_pred", "PLS_pred"],
    },
  ]);
  expect(stack.dependencies.map(({ ref, role }) => [ref, role])).toEqual([
    ["data@v1", "input"],
    ["0001_pls:0:3:all@v1", "source"],
    ["0001_pls:3:all@v1", "source"],
  ]);
  const run = await here.shown();
  expect(events(run, "not-stored")).toEqual([expect.stringContaining("0001_pls:1:4:all is not registered: branch context mismatch")]);
  expect(await here.bytes(`${run.id}/other`)).toBe("other\n");
});

test("what an item depends on may be in the store already", async () => {
  using here = place();
  await here.run("echo r >$W/r", ["--register", "raw=r"]);
  await here.run(`echo m >$W/m; ${manifest({ artifact_id: "m", path: "m", depends_on: ["raw@v1"] })}`);
  expect((await here.artifact("m")).depends_on).toEqual([(await here.artifact("raw")).id]);
});

test("several items may share one file", async () => {
  using here = place();
  await here.run(
    `echo m >$W/m; ${manifest({ artifact_id: "a:1:0", path: "m", artifact_type: "model" }, { artifact_id: "a:1:1", path: "m", artifact_type: "model" })}`,
  );
  const digests = await Promise.all(["a:1:0", "a:1:1"].map(async (id) => (await here.artifact(id)).digest));
  expect(new Set(digests).size).toBe(1);
  expect(here.binaries()).toHaveLength(1);
});

test("an item that cannot be registered is an ordinary output, what depends on it neither takes an older one, and the others stand", async () => {
  using here = place();
  await here.run("echo old >$W/x", ["--register", "base=x", "--register", "wrong=x"]);
  const script = `cd $W; for f in base model fine wrong late; do echo $f >$f; done; ${manifest(
    { artifact_id: "base", path: "base", depends_on: ["nowhere:1:all"] },
    { artifact_id: "model", path: "model", depends_on: ["base"] },
    { artifact_id: "fine", path: "fine", content_hash: `sha256:${createHash("sha256").update("fine\n").digest("hex")}` },
    { artifact_id: "wrong", path: "wrong", content_hash: `sha256:${"0".repeat(64)}` },
    { artifact_id: "late", path: "late", depends_on: ["wrong"] },
    { artifact_id: "gone", path: "gone" },
    { artifact_id: "a/b", path: "fine" },
    { artifact_id: "outside", path: "../other" },
  )}`;
  const result = await here.run(script, ["--policy", "scratch"]);
  expect(result.code).toBe(0);
  const run = await here.shown();
  expect(run.artifacts.map(({ path, name }) => [path, name]).toSorted()).toEqual(
    [
      ["base", null],
      ["model", null],
      ["fine", "fine"],
      ["wrong", null],
      ["late", null],
    ].toSorted(),
  );
  const problems = events(run, "not-stored").join("\n");
  for (const words of [
    /base: base is not registered: .*nowhere/,
    /model: model is not registered: it depends on base/,
    /wrong: wrong is not registered: the bytes/,
    /late: .*it depends on wrong/,
    /gone: .*no such file/,
    /item 7 .*slash/,
    /item 8 /,
  ])
    expect(problems).toMatch(words);
  expect(result.stderr).toContain("base is not registered");
  // not all of it was stored as the script wanted: a scratch workspace stays
  expect([run.workspace_state, existsSync(`${run.workspace}/manifest.yaml`)]).toEqual(["present", true]);
});

test("items that depend on each other are refused, with their bytes kept", async () => {
  using here = place();
  await here.run(
    `cd $W; echo a >a; echo b >b; ${manifest({ artifact_id: "a", path: "a", depends_on: ["b"] }, { artifact_id: "b", path: "b", depends_on: ["a"] })}`,
  );
  const run = await here.shown();
  expect(events(run, "not-stored")).toHaveLength(2);
  expect(run.artifacts.map(({ path, name }) => [path, name]).toSorted()).toEqual([
    ["a", null],
    ["b", null],
  ]);
});

test.each([
  ["another kind of manifest", "kind: Deployment\nmetadata: {name: x}"],
  ["another version", 'schema_version: "9.9"\nartifacts: {items: []}'],
  ["a list of version 1", "artifacts:\n  - {name: m, path: m}"],
  ["no YAML at all", "a: [1,\n  {"],
])("%s is an ordinary output", async (_, text) => {
  using here = place();
  expect((await here.run(`cat >$W/manifest.yaml <<'END'\n${text}\nEND`)).code).toBe(0);
  const run = await here.shown();
  expect(paths(run)).toEqual(["manifest.yaml"]);
  expect(await here.bytes(`${run.id}/manifest.yaml`)).toBe(`${text}\n`);
});

test("a manifest goes with a scratch workspace once all it says is recorded, and is not counted among what rules leave out", async () => {
  using here = place();
  const result = await here.run(`echo m >$W/m; ${manifest({ artifact_id: "m", path: "m", theirs: { keep: "me" } })}`, [
    "--policy",
    "scratch",
  ]);
  expect(result.stderr).toContain("the workspace was removed\n");
  const run = await here.shown();
  expect(run.workspace_state).toBe("removed");
  const written = await Bun.file(`${here.root}/manifests/${run.id}.yaml`).text();
  expect(written).toContain('keep: "me"');
});

test("an item that holds itself, a hash that does not hold and a meta-model without sources cost nothing but themselves", async () => {
  using here = place();
  const hash = "0".repeat(64);
  const result = await here.run(`cd $W; for f in model.pt b s m fine; do echo $f >$f; done; mkdir d; echo x >d/x; cat >manifest.yaml <<'END'
schema_version: "2.0"
artifacts:
  items:
  - {artifact_id: "p:1:0", path: model.pt, params: &x {a: *x}}
  - {artifact_id: blake, path: b, content_hash: "blake3:${hash}"}
  - {artifact_id: sha, path: s, content_hash: "${"A".repeat(64)}"}
  - {artifact_id: directory, path: d, content_hash: "sha256:${hash}"}
  - {artifact_id: stack, path: m, artifact_type: meta_model}
  - {artifact_id: fine, path: fine, content_hash: "${createHash("sha256").update("fine\n").digest("hex")}"}
END`);
  expect(result.stderr).not.toContain("internal");
  for (const words of [
    "(p:1:0): it is nested too deeply",
    "blake is not registered",
    "sha is not registered",
    "directory is not registered",
    "stack is not registered",
  ])
    expect(result.stderr).toContain(words);
  const { artifacts } = await here.shown();
  expect(artifacts.map(({ path, name }) => [path, name]).toSorted()).toEqual([
    ["b", null],
    ["d", null],
    ["fine", "fine"],
    ["m", null],
    ["model.pt", null],
    ["s", null],
  ]);
});

test("a manifest whose aliases would fill the memory is an ordinary output, beside the others", async () => {
  using here = place();
  const result = await here.run(
    `cd $W; echo m >model.pt; { printf 'schema_version: "2.0"\\ns: &s "'; head -c 1048576 /dev/zero | tr '\\0' A; printf '"\\nartifacts: {items: [{artifact_id: a, path: model.pt, params: {t: ['; yes '*s,' | head -1500 | tr -d '\\n'; printf ']}}]}\\n'; } >manifest.yaml`,
  );
  expect(result.stderr).toContain("with its aliases written out it is longer than");
  expect((await here.shown()).artifacts.map(({ path }) => path).toSorted()).toEqual(["manifest.yaml", "model.pt"]);
});
