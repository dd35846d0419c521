import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { binary } from "../support/coffer.ts";
import { place } from "./run-place.ts";

const WITH_COFFER = { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } };

test("--input takes references and paths; both are inputs of the run, and the artifacts among them edges of its outputs", async () => {
  using here = place();
  await here.run("echo data >$W/raw.csv", ["--register", "raw=raw.csv"]);
  here.write("config.yaml", "a: 1");
  here.write("copy.csv", "data\n");
  here.write("many/one", "1");
  symlinkSync("config.yaml", here.at("link.yaml"));
  await here.run("echo model >$W/model", [
    "--input",
    "raw@v1",
    "--input",
    "config.yaml",
    "--input",
    "copy.csv",
    "--input",
    "many",
    "--input",
    "link.yaml",
    "--register",
    "model=model",
  ]);
  const run = await here.shown();
  const raw = await here.artifact("raw");
  expect(run.inputs.map(({ artifact, path, how, size }) => [artifact, path, how, size])).toEqual([
    [raw.id, null, "declared", 5],
    [null, here.at("config.yaml"), "declared", 4],
    // the same bytes are the same artifact, wherever they lie
    [raw.id, here.at("copy.csv"), "declared", 5],
    [null, here.at("many"), "declared", 1],
    [null, here.at("link.yaml"), "declared", 4],
  ]);
  expect((await here.artifact("model")).depends_on).toEqual([raw.id]);
});

test("what “coffer get” prints inside a run is its input, and an edge of its outputs", async () => {
  using here = place();
  await here.run("echo data >$W/raw.csv; mkdir $W/d; echo 1 >$W/d/1", ["--register", "raw=raw.csv", "--register", "dir=d"]);
  const got = await here.run('cat "$(coffer get raw)" "$(coffer get dir)/1" "$(coffer get raw@v1)" >$W/model', [], WITH_COFFER);
  expect(got.code).toBe(0);
  const run = await here.shown();
  expect(await here.bytes(`${run.id}/model`)).toBe("data\n1\ndata\n");
  const [raw, dir] = [await here.artifact("raw"), await here.artifact("dir")];
  expect(run.inputs.map(({ artifact, how }) => [artifact, how])).toEqual([
    [raw.id, "got"],
    [dir.id, "got"],
  ]);
  expect((await here.artifact(`${run.id}/model`)).depends_on).toEqual([raw.id, dir.id]);
});

test("a version that a run trains further is made from the older one of its id", async () => {
  using here = place();
  const log = "coffer log $W/m --quiet --step p:1:0";
  await here.run(`echo one >$W/m && ${log}`, ["--pipeline", "p"], WITH_COFFER);
  await here.run(`cat "$(coffer get p:1:0)" >$W/m && echo two >>$W/m && ${log}`, ["--pipeline", "p"], WITH_COFFER);
  const { nodes, edges } = (await here.coffer(["lineage", "p:1:0@v2", "--up", "--json"])).json<{
    nodes: { version: number }[];
    edges: { implicit: boolean }[];
  }>();
  expect([nodes.map(({ version }) => version).toSorted(), edges]).toMatchObject([[1, 2], [{ implicit: true }]]);
});

test("an input that changed while the command ran is told", async () => {
  using here = place();
  here.write("steady.csv", "a");
  here.write("moving.csv", "a");
  here.write("gone", "x");
  for (const directory of ["steady", "moving"]) here.write(`${directory}/deep/a`, "a");
  const result = await here.run(
    "echo more >>moving.csv; touch steady/deep/a; echo more >>moving/deep/a; rm gone",
    ["steady.csv", "moving.csv", "steady", "moving", "gone"].flatMap((path) => ["--input", path]),
  );
  expect(result.stderr).toContain("moving.csv changed while the command ran");
  const run = await here.shown();
  expect(run.inputs.map(({ path, changed }) => [path, changed])).toEqual([
    [here.at("steady.csv"), false],
    [here.at("moving.csv"), true],
    [here.at("steady"), false],
    [here.at("moving"), true],
    [here.at("gone"), true],
  ]);
});

test("an input that is not there is refused before anything is made", async () => {
  using here = place();
  await here.run("true");
  expect((await here.run("touch started", ["--input", "raw@v3"])).code).toBe(125);
  expect(await here.runs()).toHaveLength(1);
  expect(here.leftovers()).toEqual([]);
});

test("a nested run is a child of the outer one, in its pipeline, dataset and branch, with a workspace beside it", async () => {
  using here = place();
  const inner =
    'echo "$COFFER_PIPELINE $COFFER_DATASET $COFFER_BRANCH ${COFFER_STEP-none} $COFFER_FOLD $COFFER_WORKSPACE"; echo x >$COFFER_WORKSPACE/inner.txt';
  const result = await here.run(
    `echo "$W"; echo o >$W/outer.txt; coffer run --quiet -- sh -c '${inner}'`,
    ["--pipeline", "p1", "--dataset", "corn", "--branch", "0:2", "--step", "4", "--fold", "1"],
    WITH_COFFER,
  );
  expect(result.code).toBe(0);
  const [outerWorkspace, seen] = result.stdout.trim().split("\n");
  const [innerSummary, outerSummary] = await here.runs();
  const [innerRun, outerRun] = [await here.shown(innerSummary?.id), await here.shown(outerSummary?.id)];
  expect(innerRun.parent).toBe(outerRun.id);
  expect([innerRun.pipeline, innerRun.dataset, innerRun.branch_path, innerRun.step_index, innerRun.fold_id]).toEqual([
    "p1",
    "corn",
    [0, 2],
    null,
    null,
  ]);
  expect(seen).toBe(`p1 corn 0:2 none all ${innerRun.workspace}`);
  expect(innerRun.workspace?.startsWith(`${outerWorkspace}/`)).toBe(false);
  expect(dirname(innerRun.workspace as string)).toBe(dirname(outerRun.workspace as string));
  expect([outerRun, innerRun].map((run) => run.artifacts.filter(({ type }) => type !== "log").map(({ path }) => path))).toEqual([
    ["outer.txt"],
    ["inner.txt"],
  ]);
});

test("a nested run may stand elsewhere: another pipeline does not take over the branch", async () => {
  using here = place();
  await here.run(
    "coffer run --pipeline p2 --step 1 -- true; coffer run --step 5 --fold 0 -- true",
    ["--pipeline", "p1", "--branch", "3"],
    WITH_COFFER,
  );
  const runs = await Promise.all((await here.runs()).map(({ id }) => here.shown(id)));
  const stand = runs.map((run) => [run.pipeline, run.branch_path, run.step_index, run.fold_id]);
  expect(stand.toSorted()).toEqual(
    [
      ["p1", [3], null, null],
      ["p1", [3], 5, 0],
      ["p2", [], 1, null],
    ].toSorted(),
  );
});

test("a failing nested run takes nothing of the outer one along", async () => {
  using here = place();
  const result = await here.run(
    "echo o >$W/o; coffer run -- sh -c 'echo i >$COFFER_WORKSPACE/i; exit 3'; echo \"inner $?\"",
    [],
    WITH_COFFER,
  );
  expect([result.code, result.stdout]).toEqual([0, "inner 3\n"]);
  const states = await Promise.all(
    (await here.runs()).map(async ({ id }) =>
      (await here.shown(id)).artifacts.filter(({ type }) => type !== "log").map(({ path, state }) => `${path} ${state}`),
    ),
  );
  expect(states).toEqual([["i withdrawn"], ["o live"]]);
});
