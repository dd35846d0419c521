import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { paths, place } from "./run-place.ts";

/** Nothing but the file decides. */
const FROM_FILE = { env: { COFFER_ROOT: "" } };

test("artifact_store.root_path is where the store is made, relative to the file, from any directory below it", async () => {
  using here = place();
  here.write("coffer.yaml", "artifact_store: {root_path: ./kept}");
  here.write("deep/er/x", "");
  await here.run("echo a >$W/a", [], { ...FROM_FILE, cwd: here.at("deep/er") });
  expect(existsSync(here.at("kept/coffer.db"))).toBe(true);
});

test("workspace.root is where workspaces are made, and CORE_ARTIFACT_ROOT goes before it", async () => {
  using here = place();
  here.write("coffer.yaml", "workspace: {root: ./elsewhere}");
  await here.run("echo hi >$COFFER_WORKSPACE/o.txt");
  expect(filesBelow(here.at("elsewhere"))).toEqual([`runs/${(await here.shown()).id}/o.txt`]);
  await here.run("echo hi >$COFFER_WORKSPACE/o.txt", [], { env: { CORE_ARTIFACT_ROOT: here.at("work") } });
  expect(filesBelow(here.at("work"))).toEqual([`runs/${(await here.shown()).id}/o.txt`]);
});

test("workspace.policy decides, and --policy goes before it", async () => {
  using here = place();
  here.write("coffer.yaml", "workspace: {policy: scratch}");
  await here.run("echo a >$W/a");
  expect((await here.shown()).workspace_state).toBe("removed");
  await here.run("echo a >$W/a", ["--policy", "separated"]);
  expect((await here.shown()).workspace_state).toBe("present");
});

test("workspace.retain stays in a scratch workspace; without the key, logs do", async () => {
  using here = place();
  await here.run("touch $W/a.log $W/b.keep", ["--policy", "scratch"]);
  expect(readdirSync((await here.shown()).workspace as string)).toEqual(["a.log"]);
  here.write("coffer.yaml", 'workspace: {policy: scratch, retain: ["*.keep"]}');
  await here.run("touch $W/a.log $W/b.keep");
  expect(readdirSync((await here.shown()).workspace as string)).toEqual(["b.keep"]);
});

test("workspace.ignore is no output; without the key, .tmp and __pycache__ are not", async () => {
  using here = place();
  const script = "cd $W; mkdir .tmp __pycache__; touch .tmp/a __pycache__/b c.bak d";
  await here.run(script);
  expect(paths(await here.shown())).toEqual(["c.bak", "d"]);
  here.write("coffer.yaml", 'workspace: {ignore: ["*.bak"]}');
  await here.run(script);
  expect(paths(await here.shown())).toEqual([".tmp", "__pycache__", "d"]);
});

test("artifact_store.versioning_enabled: false keeps one version of a name in sight", async () => {
  using here = place();
  const versions = async () =>
    (await here.coffer(["ls", "--name", "m", "--json"]))
      .json<{ artifacts: { version: number }[] }>()
      .artifacts.map(({ version }) => version);
  for (let round = 0; round < 2; round++) await here.run(`echo ${round} >$W/m`, ["--register", "m=m"]);
  expect(await versions()).toEqual([2, 1]);
  here.write("coffer.yaml", "artifact_store: {versioning_enabled: false}");
  await here.run("echo 3 >$W/m", ["--register", "m=m"]);
  expect(await versions()).toEqual([3]);
});

test("artifact_store.max_dependency_depth refuses what a manifest names too deep, and only tells of what follows from inputs", async () => {
  using here = place();
  here.write("coffer.yaml", "artifact_store: {max_dependency_depth: 2}");
  const item = (id: string, on: string[]) =>
    `echo ${id} >$W/x; echo '${JSON.stringify({ schema_version: "2.0", artifacts: { items: [{ artifact_id: id, path: "x", depends_on: on }] } })}' >$W/manifest.yaml`;
  await here.run("echo a >$W/a", ["--register", "a=a"]);
  await here.run(item("b", ["a"]));
  await here.run(item("c", ["b"]));
  const refused = await here.run(item("d", ["c"]));
  expect([refused.code, refused.stderr]).toEqual([0, expect.stringContaining("d is not registered")]);
  await here.run("echo e >$W/e", ["--input", "c", "--register", "e=e"]);
  expect((await here.artifact("e")).events.map(({ kind }) => kind)).toEqual(["deep"]);
});

test("a broken file is 125, with line and column, and the command does not run", async () => {
  using here = place();
  here.write("coffer.yaml", "workspace:\n  polciy: scratch\n");
  const result = await here.run("touch started");
  expect([result.code, existsSync(here.at("started")), existsSync(here.root)]).toEqual([125, false, false]);
  expect(result.stderr).toMatch(/coffer\.yaml:2:3[^]*policy/);
});
