import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

interface Shown {
  schema: string;
  file: string | null;
  user_file: string | null;
  roots: Record<string, string>;
  values: { key: string; value: unknown; source: string; where: string }[];
}

test("config show gives each value with where it came from", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), "workspace: {policy: scratch}\n");
  const env = { MLFLOW_TRACKING_URI: "http://me:hunter2@mlflow:5000" };
  const shown = (await coffer(["config", "show", "--json", "--root", "s"], { cwd: root.path, env })).json<Shown>();
  expect([shown.schema, shown.file, shown.user_file]).toEqual(["coffer.config/1", root.at("coffer.yaml"), null]);
  expect(shown.roots).toEqual({ store: root.at("s"), workspace: root.at("s/work"), mlflow: root.at("s/mlruns") });
  expect(shown.values).toContainEqual({ key: "artifact_store.root_path", value: root.at("s"), source: "flag", where: "--root" });
  expect(shown.values).toContainEqual({
    key: "tracking.mlflow.uri",
    value: "http://mlflow:5000",
    source: "environment",
    where: "MLFLOW_TRACKING_URI",
  });
  expect(shown.values).toContainEqual({ key: "workspace.policy", value: "scratch", source: "project", where: root.at("coffer.yaml") });
  expect(shown.values).toContainEqual({ key: "cache.max_size", value: 10_000_000_000, source: "default", where: "built in" });

  const words = await coffer(["config", "show"], { cwd: root.path, env });
  expect(words.stdout).toMatch(/^tracking\.mlflow\.uri +http:\/\/mlflow:5000 +environment: MLFLOW_TRACKING_URI$/m);
  expect(words.stdout).toMatch(/^cache\.max_size +10GB +default$/m);
  expect(words.stdout).toMatch(/^artifact_store\.cleanup_policy\.workspaces_days +no limit +default$/m);
  expect(words.stdout + words.stderr).not.toContain("hunter2");
});

test("config show makes nothing", async () => {
  using root = temporaryRoot();
  expect((await coffer(["config", "show"], { cwd: root.path })).code).toBe(0);
  expect(existsSync(root.at("artifacts"))).toBe(false);
});

test("an error in the configuration stops a command with code 2, the place and what was meant", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), "cache:\n  max_entris: 1\n");
  const result = await coffer(["config", "show"], { cwd: root.path });
  expect([result.code, result.stdout]).toEqual([2, ""]);
  expect(result.stderr).toBe(
    `coffer: error: ${root.at("coffer.yaml")}:2:3: unknown key cache.max_entris\n  hint: did you mean max_entries?\n`,
  );
});

test("config validate prints every problem and exits with 2", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), "workspace: {policy: scrach}\ncache: {max_size: big}\n");
  const result = await coffer(["config", "validate"], { cwd: root.path });
  expect(result.code).toBe(2);
  expect(result.stdout.replaceAll(root.path, "ROOT")).toMatchInlineSnapshot(`
"ROOT/coffer.yaml:1:21: workspace.policy must be one of separated, scratch, not "scrach"
  hint: did you mean scratch?
ROOT/coffer.yaml:2:19: cache.max_size is not a size: “big”
  hint: write 500MB, 1.5GiB or a number of bytes
"
`);
  const json = (await coffer(["config", "validate", "--json"], { cwd: root.path })).json();
  expect(json).toMatchObject({
    schema: "coffer.config-validate/1",
    ok: false,
    problems: [
      { file: root.at("coffer.yaml"), line: 1, column: 21 },
      { line: 2, column: 19 },
    ],
  });
});

test("config validate says ok, with a file, without one, and for a file that is named", async () => {
  using root = temporaryRoot();
  expect(await coffer(["config", "validate"], { cwd: root.path })).toMatchObject({
    code: 0,
    stdout: "ok: no configuration file, the defaults hold\n",
  });
  writeFileSync(root.at("coffer.yaml"), "cache:\n");
  writeFileSync(root.at("other.yaml"), "cach:\n");
  expect(await coffer(["config", "validate"], { cwd: root.path })).toMatchObject({ code: 0, stdout: `ok: ${root.at("coffer.yaml")}\n` });
  expect(await coffer(["config", "validate", "other.yaml"], { cwd: root.path })).toMatchObject({
    code: 2,
    stdout: expect.stringContaining("other.yaml:1:1: unknown key cach"),
  });
  expect(await coffer(["config", "validate", "--config", "other.yaml"], { cwd: root.path })).toMatchObject({ code: 2 });
  expect(await coffer(["config", "validate", "none.yaml"], { cwd: root.path })).toMatchObject({
    code: 2,
    stdout: expect.stringContaining("there is no configuration file"),
  });
});

test("config validate sees roots that overlap, and a store that cannot be used", async () => {
  using root = temporaryRoot();
  expect(
    await coffer(["config", "validate"], { cwd: root.path, root: root.at("s"), env: { CORE_ARTIFACT_ROOT: root.at("s/cache") } }),
  ).toMatchObject({ code: 2, stdout: expect.stringContaining("overlap") });
  writeFileSync(root.at("coffer.yaml"), "artifact_store: {type: s3}\n");
  expect(await coffer(["config", "validate"], { cwd: root.path })).toMatchObject({
    code: 2,
    stdout: expect.stringContaining("artifact_store.type is s3"),
  });
});

test("config schema prints JSON Schema, and with --json a document that holds it", async () => {
  const plain = (await coffer(["config", "schema"])).json();
  expect(plain).toMatchObject({
    $schema: "http://json-schema.org/draft-07/schema#",
    properties: { cache: { properties: { max_entries: { default: 100 } } } },
  });
  expect((await coffer(["config", "schema", "--json"])).json()).toEqual({ schema: "coffer.config-schema/1", json_schema: plain });
});

test("a .env file beside the binary's caller changes nothing", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at(".env"), "COFFER_ROOT=/leaked\nMLFLOW_TRACKING_URI=http://leaked\n");
  const { stdout } = await coffer(["config", "show"], { cwd: root.path });
  expect(stdout).not.toContain("leaked");
  expect(readFileSync(root.at(".env"), "utf8")).toContain("leaked");
});
