import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { RecordSummary } from "../../src/registry/describe.ts";
import { binary } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";
import { words } from "./words.ts";

const WITH_COFFER = { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } };

interface Loaded {
  records: (RecordSummary & { path: string | null })[];
}

/** Folds 2, 0, 4 and 1 of branch 0, logged in this order; and one model of no branch and no fold. */
async function folds(): Promise<Place> {
  const here = place();
  for (const [id, of] of [
    ["pls:0:3:2", "PLS"],
    ["pls:0:3:0", "PLS"],
    ["pls:0:3:4", "PLS"],
    ["pls:0:3:1", "PLS"],
    ["pls:3:all", "Ridge"],
  ] as const) {
    here.write("model.bin", id);
    await here.coffer(["log", "model.bin", "--step", id, "--type", "model", "--class", of]);
  }
  return here;
}

async function read(here: Place, ...args: string[]): Promise<string[]> {
  const { code, stdout } = await here.coffer(["load", ...args]);
  expect(code).toBe(0);
  return stdout
    .trimEnd()
    .split("\n")
    .map((path) => readFileSync(path, "utf8"));
}

test("the folds of a step come in the order of their numbers, whatever the order of logging", async () => {
  using here = await folds();
  expect(await read(here, "--pipeline", "pls", "--step", "3", "--folds")).toEqual(["pls:0:3:0", "pls:0:3:1", "pls:0:3:2", "pls:0:3:4"]);
  const { stderr } = await here.coffer(["load", "--pipeline", "pls", "--step", "3", "--folds", "--list"]);
  expect(stderr).toBe("coffer: warning: there is no fold 3 of branch 0\n");
});

test("a record without branch or fold is one of every branch and fold", async () => {
  using here = await folds();
  const step = ["--pipeline", "pls", "--step", "3"];
  expect(await read(here, ...step, "--branch", "0:2", "--fold", "1")).toEqual(["pls:3:all", "pls:0:3:1"]);
  expect(await read(here, ...step, "--branch", "1")).toEqual(["pls:3:all"]);
  expect(await read(here, ...step, "--fold", "all")).toEqual(["pls:3:all"]);
});

test("what a step reports of itself is loaded only where somebody asks for it", async () => {
  using here = await folds();
  const script = "echo '{\"a\": 1}' >$COFFER_WORKSPACE/metrics.json; echo bits >$COFFER_WORKSPACE/bits.bin";
  await here.coffer(["run", "--pipeline", "rep", "--step", "2", "--", "sh", "-c", script]);
  const step = ["--pipeline", "rep", "--step", "2"];
  expect(await read(here, ...step)).toEqual(["bits\n"]);
  expect(await read(here, ...step, "--type", "metrics")).toEqual(['{"a": 1}\n']);
  here.write("own.json", "own");
  await here.coffer(["log", "own.json", "--type", "metrics", "--step", "rep:2:all"]);
  expect((await read(here, ...step)).toSorted()).toEqual(["bits\n", "own"]);
});

test("--step . of log is where the run stands", async () => {
  using here = await folds();
  const script = "echo bits >bits; coffer log bits --step . --type model";
  const { stdout } = await here.run(
    script,
    ["--quiet", "--pipeline", "dot", "--branch", "0:2", "--step", "4.1", "--fold", "3"],
    WITH_COFFER,
  );
  expect(stdout).toBe("dot:0:2:4.1:3@v1\n");
  const alone = await here.coffer(["log", "bits", "--step", "."], { env: { COFFER_PIPELINE: "dot", COFFER_STEP: "5" } });
  expect(alone.stdout).toBe("dot:5:all@v1\n");
  const nowhere = await here.coffer(["log", "bits", "--step", "."]);
  expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining("of no step of a pipeline")]);
});

test("--list is a table, and opens nothing", async () => {
  using here = await folds();
  rmSync(`${here.root}/binaries`, { recursive: true });
  const step = ["--pipeline", "pls", "--step", "3", "--branch", "0", "--fold", "0"];
  const listed = await here.coffer(["load", ...step, "--list"]);
  expect([listed.code, listed.stdout]).toEqual([
    0,
    [
      "REF           TYPE   CLASS  BRANCH  STEP  FOLD  SIZE",
      "pls:3:all@v1  model  Ridge             3  all    9 B",
      "pls:0:3:0@v1  model  PLS    0          3  0      9 B",
      "",
    ].join("\n"),
  ]);
  expect((await here.coffer(["load", ...step, "--list", "--json"])).json<Loaded>().records.map(({ id, path }) => [id, path])).toEqual([
    ["pls:3:all", null],
    ["pls:0:3:0", null],
  ]);
  const loaded = await here.coffer(["load", ...step, "--json"]);
  expect([loaded.code, loaded.stdout, JSON.parse(loaded.stderr)]).toMatchObject([1, "", { code: "CORRUPT" }]);
});

test("what a run loads is its input, and its outputs depend on it; pipeline and branch are those of the run", async () => {
  using here = await folds();
  const script =
    "cat $(coffer load --step 3 --fold 1) >$W/out; echo m >m; coffer log m --name m --quiet; coffer load --step 3 --list >$W/list";
  const { code } = await here.run(script, ["--pipeline", "pls", "--branch", "0:2", "--step", "4"], WITH_COFFER);
  expect(code).toBe(0);
  const run = await here.shown();
  expect(run.inputs.map(({ artifact, how }) => [artifact, how])).toEqual([
    ["pls:3:all", "got"],
    ["pls:0:3:1", "got"],
  ]);
  for (const ref of [`${run.id}/out`, "m"]) {
    const made = await here.artifact(ref);
    expect([made.pipeline_id, made.branch_path, made.step_index, made.depends_on]).toEqual(["pls", [0, 2], 4, ["pls:3:all", "pls:0:3:1"]]);
    expect(made.dependencies.map(({ role, implicit }) => [role, implicit])).toEqual([
      ["input", true],
      ["input", true],
    ]);
  }
});

test("a run inside a run is of its branch, unless it says another", async () => {
  using here = place();
  const inner = (flags: string): string =>
    `coffer run --quiet ${flags} -- sh -c 'echo $COFFER_PIPELINE $COFFER_BRANCH $COFFER_STEP >$COFFER_WORKSPACE/where'`;
  const script = [inner("--step 5"), inner("--step 6 --branch 0:1"), inner("--branch 3"), inner("--pipeline other --step 7")].join("\n");
  await here.run(script, ["--pipeline", "pls", "--branch", "0", "--step", "4"], WITH_COFFER);
  const inside = (await here.runs()).filter(
    (run) => run.command?.join(" ").includes("where") && !run.command.join(" ").includes("coffer run"),
  );
  const seen = await Promise.all(
    inside.map(async ({ id }) => {
      const where = await here.artifact(`${id}/where`);
      return [await here.bytes(where.id), where.branch_path, where.step_index];
    }),
  );
  expect(seen.toReversed()).toEqual([
    ["pls 0 5\n", [0], 5],
    ["pls 0:1 6\n", [0, 1], 6],
    ["pls 3\n", [3], null],
    ["other 7\n", [], 7],
  ]);
});

test("a meta-model's sources come in the order of its features", async () => {
  using here = await folds();
  here.write("stack.bin", "stack");
  const sources = ["pls:0:3:1", "pls:3:all", "pls:0:3:0"].flatMap((ref) => ["--source", ref]);
  await here.coffer(["log", "stack.bin", "--name", "stack", "--step", "pls:0:1:4:all", "--type", "meta_model", ...sources]);
  expect(await read(here, "--meta", "stack", "--for-prediction", "--columns", "3")).toEqual(["pls:0:3:1", "pls:3:all", "pls:0:3:0"]);
  const shown = (await here.coffer(["show", "stack"])).stdout;
  expect(words(shown, here.path)).toMatchInlineSnapshot(`
    "artifact  pls:0:1:4:all
    name      stack@v1
    versions  v1
    state     live
    type      meta_model
    size      5 B
    digest    blake3:DIGEST
    path      stack.bin
    run       RUN
    created   TIME
    pipeline  pls, branch 0:1, step 4

    FEATURE  SOURCE     COLUMN
          0  pls:0:3:1  PLS_pred
          1  pls:3:all  Ridge_pred
          2  pls:0:3:0  PLS_pred_2

    DEPENDS ON    AS
    pls:0:3:1@v1  source
    pls:3:all@v1  source
    pls:0:3:0@v1  source

    configuration of the run
      workspace.policy                   separated
      workspace.retain                   *.log
      workspace.ignore                   .tmp, __pycache__
      workspace.hash_ahead               true
      artifact_store.versioning_enabled  true
      tracking.experiment                Default
      tracking.sync                      after
    "
  `);
  expect((await here.coffer(["load", "--meta", "stack", "--list"])).stdout).toMatchInlineSnapshot(`
    "REF           COLUMN      TYPE   CLASS  BRANCH  STEP  FOLD  SIZE
    pls:0:3:1@v1  PLS_pred    model  PLS    0          3  1      9 B
    pls:3:all@v1  Ridge_pred  model  Ridge             3  all    9 B
    pls:0:3:0@v1  PLS_pred_2  model  PLS    0          3  0      9 B
    "
  `);
  expect((await here.artifact("stack")).meta_config).toEqual({
    source_models: [
      { artifact_id: "pls:0:3:1", feature_index: 0 },
      { artifact_id: "pls:3:all", feature_index: 1 },
      { artifact_id: "pls:0:3:0", feature_index: 2 },
    ],
    feature_columns: ["PLS_pred", "Ridge_pred", "PLS_pred_2"],
  });
  const loaded = (await here.coffer(["load", "--meta", "stack", "--json"])).json<{
    model: { id: string; path: string };
    sources: { feature_index: number; column: string; id: string; path: string }[];
  }>();
  expect([loaded.model.id, readFileSync(loaded.model.path, "utf8")]).toEqual(["pls:0:1:4:all", "stack"]);
  expect(loaded.sources.map(({ feature_index, column, path }) => [feature_index, column, readFileSync(path, "utf8")])).toEqual([
    [0, "PLS_pred", "pls:0:3:1"],
    [1, "Ridge_pred", "pls:3:all"],
    [2, "PLS_pred_2", "pls:0:3:0"],
  ]);
});

test("a source of another branch, and columns that do not fit, are refused with what to do", async () => {
  using here = await folds();
  here.write("stack.bin", "stack");
  const log = async (...args: string[]) => {
    const { code, stderr } = await here.coffer(["log", "stack.bin", "--type", "meta_model", "--step", "pls:1:4:all", ...args]);
    return [code, stderr];
  };
  expect(await log("--source", "pls:0:3:1", "--source", "pls:3:all")).toEqual([
    2,
    expect.stringContaining("branch context mismatch: the meta-model is of branch 1; pls:0:3:1@v1 is of branch 0"),
  ]);
  expect(await log("--source", "pls:3:all", "--feature-columns", "a, b")).toEqual([
    2,
    expect.stringMatching(/2 feature columns for 1 source\n {2}hint: give one column for each source/),
  ]);
  expect((await here.coffer(["show", "pls:1:4:all"])).code).toBe(4);
});

test.each([
  [[], "a pipeline and a step say what is loaded"],
  [["--pipeline", "p"], "a pipeline and a step say what is loaded"],
  [["--step", "3"], "a step, branch or fold needs a pipeline"],
  [["--pipeline", "p", "--step", "3", "--fold", "1", "--folds"], "--folds asks for all folds"],
  [["--pipeline", "p", "--step", "x"], "the step is a number"],
  [["--pipeline", "p", "--step", "3", "--for-prediction"], "--for-prediction goes with --meta"],
  [["--meta", "m", "--fold", "1"], "--fold does not go with --meta"],
  [["--meta", "m", "--for-prediction", "--columns", "0"], "--columns 0 is not a number"],
  [["--pipeline", "p", "--step", "3", "--type", "modle"], "--type cannot be “modle”"],
])("load %j is refused", async (args, message) => {
  using here = place();
  here.write("f", "f");
  await here.coffer(["log", "f", "--name", "m"]);
  const { code, stdout, stderr } = await here.coffer(["load", ...args]);
  expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(message)]);
});

test("nothing found is exit code 4, with what there is", async () => {
  using here = await folds();
  const { code, stdout, stderr } = await here.coffer(["load", "--pipeline", "pls", "--step", "5", "--json"]);
  expect([code, stdout, JSON.parse(stderr)]).toMatchObject([4, "", { code: "NOT_FOUND", hint: "it has records of step 3" }]);
});
