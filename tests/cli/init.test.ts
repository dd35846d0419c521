import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { loadSettings } from "../../src/config/settings.ts";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { configTemplate } from "../../src/config/template.ts";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("init writes a configuration that is valid, and keeps the store out of git; the store is not made yet", async () => {
  using root = temporaryRoot();
  const result = await coffer(["init", "--json"], { cwd: root.path });
  expect(result.json()).toEqual({ schema: "coffer.init/1", directory: root.path, wrote: ["coffer.yaml", ".gitignore"], kept: [] });
  expect(readdirSync(root.path).toSorted()).toEqual([".gitignore", "coffer.yaml"]);
  expect(readFileSync(root.at(".gitignore"), "utf8")).toBe("/artifacts/\n");
  expect(await coffer(["config", "validate"], { cwd: root.path })).toMatchObject({ code: 0, stdout: `ok: ${root.at("coffer.yaml")}\n` });
});

test("init makes the directory that it is given", async () => {
  using root = temporaryRoot();
  expect(await coffer(["init", "new/project"], { cwd: root.path })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(root.at("new/project/coffer.yaml")),
  });
  expect(existsSync(root.at("new/project/coffer.yaml"))).toBe(true);
});

test("init overwrites nothing, and says what it kept", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), "cache:\n");
  writeFileSync(root.at(".gitignore"), "*.pyc");
  expect(await coffer(["init"], { cwd: root.path })).toMatchObject({
    code: 0,
    stdout: `wrote ${root.at(".gitignore")}\nkept ${root.at("coffer.yaml")}: it was there already\n`,
  });
  expect([readFileSync(root.at("coffer.yaml"), "utf8"), readFileSync(root.at(".gitignore"), "utf8")]).toEqual([
    "cache:\n",
    "*.pyc\n/artifacts/\n",
  ]);
  expect((await coffer(["init", "--json"], { cwd: root.path })).json()).toMatchObject({ wrote: [], kept: ["coffer.yaml", ".gitignore"] });
});

test.each(["artifacts", "/artifacts", "artifacts/", "  /artifacts/  "])("a .gitignore with the line “%s” is enough", async (line) => {
  using root = temporaryRoot();
  writeFileSync(root.at(".gitignore"), `${line}\n`);
  expect((await coffer(["init", "--json"], { cwd: root.path })).json()).toMatchObject({ kept: [".gitignore"] });
});

test("init writes the root that --root names, relative where it lies inside", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("a"));
  await coffer(["init", "a", "--root", "a/st[1]"], { cwd: root.path });
  expect(readFileSync(root.at("a/coffer.yaml"), "utf8")).toContain('\n  root_path: "./st[1]"  #');
  expect(readFileSync(root.at("a/.gitignore"), "utf8")).toBe("/st\\[1\\]/\n");
  await coffer(["init", "b", "--root", "elsewhere"], { cwd: root.path });
  expect(readFileSync(root.at("b/coffer.yaml"), "utf8")).toContain(`root_path: ${JSON.stringify(root.at("elsewhere"))}`);
  expect(existsSync(root.at("b/.gitignore"))).toBe(false);
});

test("init says when the directory is a file", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "");
  const result = await coffer(["init", "file"], { cwd: root.path });
  expect([result.code, result.stdout]).toEqual([1, ""]);
  expect(result.stderr).toContain("hint: name a directory that you can write");
});

test("the template with every comment taken away gives just the defaults", async () => {
  using root = temporaryRoot();
  const open = configTemplate("./artifacts")
    .split("\n")
    .slice(2)
    .map((line) => line.replace(/^# /, ""));
  writeFileSync(root.at("coffer.yaml"), open.join("\n"));
  const { values, roots, origin } = await loadSettings({ flags: {}, env: { HOME: root.path }, cwd: root.path });
  expect(values).toEqual({
    ...DEFAULTS,
    artifact_store: { ...DEFAULTS.artifact_store, root_path: roots.store },
    workspace: { ...DEFAULTS.workspace, root: roots.workspace },
    tracking: { ...DEFAULTS.tracking, mlflow: { ...DEFAULTS.tracking.mlflow, artifact_root: roots.mlflow } },
  });
  expect(roots.store).toBe(root.at("artifacts"));
  expect(origin("cache.max_entries").source).toBe("project");
});
