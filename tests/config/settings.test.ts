import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { configKeys, loadSettings } from "../../src/config/settings.ts";
import type { Given, Settings } from "../../src/config/settings.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

/** A project and a home in a temporary root. */
function world(files: { project?: string; user?: string }): TemporaryRoot & { load(given?: Partial<Given>): Promise<Settings> } {
  const root = temporaryRoot();
  mkdirSync(root.at("home/.config/coffer"), { recursive: true });
  mkdirSync(root.at("project/sub"), { recursive: true });
  if (files.user !== undefined) writeFileSync(root.at("home/.config/coffer/config.yaml"), files.user);
  if (files.project !== undefined) writeFileSync(root.at("project/coffer.yaml"), files.project);
  return {
    ...root,
    [Symbol.dispose]: () => root[Symbol.dispose](),
    load: ({ flags = {}, env = {}, cwd = root.at("project") } = {}) => loadSettings({ flags, env: { HOME: root.at("home"), ...env }, cwd }),
  };
}

test("without any source the defaults hold, and the roots are in the working directory", async () => {
  using here = world({});
  const settings = await here.load();
  const store = here.at("project/artifacts");
  expect(settings.roots).toEqual({ store, workspace: `${store}/work`, mlflow: `${store}/mlruns` });
  expect(settings.values).toEqual({
    ...DEFAULTS,
    artifact_store: { ...DEFAULTS.artifact_store, root_path: store },
    workspace: { ...DEFAULTS.workspace, root: `${store}/work` },
    tracking: { ...DEFAULTS.tracking, mlflow: { ...DEFAULTS.tracking.mlflow, artifact_root: `${store}/mlruns` } },
  });
  expect(settings.file).toBeUndefined();
  for (const key of configKeys()) expect(settings.origin(key).source).toBe("default");
});

test("flag outranks environment, that the project's file, that the user's file, that the default", async () => {
  const key = "artifact_store.root_path";
  using none = world({});
  expect((await none.load()).origin(key)).toEqual({ source: "default", where: "built in" });
  using user = world({ user: "artifact_store: /user\n" });
  expect([(await user.load()).roots.store, (await user.load()).origin(key)]).toEqual([
    "/user",
    { source: "user", where: user.at("home/.config/coffer/config.yaml") },
  ]);
  using both = world({ user: "artifact_store: /user\n", project: "artifact_store: /project\n" });
  expect([(await both.load()).roots.store, (await both.load()).origin(key)]).toEqual([
    "/project",
    { source: "project", where: both.at("project/coffer.yaml") },
  ]);
  const environment = await both.load({ env: { COFFER_ROOT: "/env" } });
  expect([environment.roots.store, environment.origin(key)]).toEqual(["/env", { source: "environment", where: "COFFER_ROOT" }]);
  const flag = await both.load({ env: { COFFER_ROOT: "/env" }, flags: { root: "/flag" } });
  expect([flag.roots.store, flag.origin(key)]).toEqual(["/flag", { source: "flag", where: "--root" }]);
});

test("the sources are merged key by key, lists as a whole", async () => {
  using here = world({
    user: "cache: {max_entries: 5, max_size: 1GB}\nworkspace: {retain: [a, b]}\n",
    project: "cache:\n  max_entries: 6\nworkspace:\n  retain: [c]\n  policy:\n",
  });
  const { values, origin } = await here.load();
  expect(values.cache).toEqual({ max_entries: 6, max_size: 1_000_000_000 });
  expect(values.workspace.retain).toEqual(["c"]);
  expect([origin("cache.max_entries").source, origin("cache.max_size").source, origin("workspace.policy").source]).toEqual([
    "project",
    "user",
    "default",
  ]);
});

test("other flags arrive by dotted key, are checked, and outrank the rest", async () => {
  using here = world({ project: "workspace: {policy: separated}\n" });
  const { values, origin } = await here.load({
    flags: { set: { "workspace.policy": "scratch", "cache.max_size": "2GB", "tracking.mlflow.sync": undefined } },
  });
  expect([values.workspace.policy, values.cache.max_size, values.tracking.mlflow.sync]).toEqual(["scratch", 2_000_000_000, "after"]);
  expect([origin("workspace.policy"), origin("tracking.mlflow.sync").source]).toEqual([{ source: "flag", where: "--policy" }, "default"]);
  await expect(here.load({ flags: { set: { "cache.max_entries": "many" } } })).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringContaining("--max-entries"),
  });
  await expect(here.load({ flags: { root: "" } })).rejects.toMatchObject({ code: "USAGE" });
});

test("each variable of the environment sets its key; an empty one counts as unset", async () => {
  using here = world({ project: "tracking: {mlflow: {uri: http://file, experiment: file}}\n" });
  const env = {
    COFFER_ROOT: "s",
    CORE_ARTIFACT_ROOT: "w",
    MLFLOW_TRACKING_URI: "http://env",
    MLFLOW_EXPERIMENT_NAME: "env",
    MLFLOW_DEFAULT_ARTIFACT_ROOT: "m",
  };
  const { values, roots, origin } = await here.load({ env, cwd: here.at("project/sub") });
  expect(roots).toEqual({ store: here.at("project/sub/s"), workspace: here.at("project/sub/w"), mlflow: here.at("project/sub/m") });
  expect([values.tracking.mlflow.uri, values.tracking.mlflow.experiment]).toEqual(["http://env", "env"]);
  expect(
    ["workspace.root", "tracking.mlflow.uri", "tracking.mlflow.experiment", "tracking.mlflow.artifact_root"].map(
      (key) => origin(key).where,
    ),
  ).toEqual(["CORE_ARTIFACT_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_DEFAULT_ARTIFACT_ROOT"]);
  const empty = await here.load({ env: Object.fromEntries(Object.keys(env).map((name) => [name, ""])) });
  expect([empty.values.tracking.mlflow.uri, empty.roots.store]).toEqual(["http://file", here.at("project/artifacts")]);
});

test("relative paths count from the file that names them, those of flags and environment from the working directory", async () => {
  using here = world({ user: "workspace: {root: ../w}\n", project: "artifact_store: {root_path: ./store}\n" });
  const cwd = here.at("project/sub");
  expect((await here.load({ cwd })).roots).toMatchObject({ store: here.at("project/store"), workspace: here.at("home/.config/w") });
  expect((await here.load({ cwd, flags: { root: "x" } })).roots.store).toBe(here.at("project/sub/x"));
});

test("the default root lies beside the project's file, also when called from below it", async () => {
  using here = world({ project: "cache:\n" });
  expect((await here.load({ cwd: here.at("project/sub") })).roots.store).toBe(here.at("project/artifacts"));
});

test("the other roots follow the store's root unless they are set", async () => {
  using here = world({});
  expect((await here.load({ flags: { root: "/r" } })).roots).toEqual({ store: "/r", workspace: "/r/work", mlflow: "/r/mlruns" });
  using set = world({ project: "workspace: {root: /w}\ntracking: {mlflow: {artifact_root: 'file:///m%20x'}}\n" });
  expect((await set.load({ flags: { root: "/r" } })).roots).toEqual({ store: "/r", workspace: "/w", mlflow: "/m x" });
});

test("a home directory is understood in a file", async () => {
  using here = world({ project: "artifact_store: ~/store\n" });
  expect((await here.load()).roots.store).toBe(here.at("home/store"));
});

test("an object store as MLflow's artifact root is the server's affair; as the store's root it is refused", async () => {
  using here = world({});
  const { values, roots } = await here.load({ env: { MLFLOW_DEFAULT_ARTIFACT_ROOT: "s3://bucket/x" } });
  expect([values.tracking.mlflow.artifact_root, roots.mlflow]).toEqual(["s3://bucket/x", here.at("project/artifacts/mlruns")]);
  await expect(here.load({ env: { COFFER_ROOT: "s3://key:secret@bucket/x" } })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: "artifact_store.root_path (COFFER_ROOT) is not a directory on this machine: s3://bucket/x",
  });
});

test("--config replaces the file that would be found, and must be there", async () => {
  using here = world({ project: "cache: {max_entries: 1}\n" });
  writeFileSync(here.at("other.yaml"), "cache: {max_size: 1}\n");
  const { values, file } = await here.load({ flags: { config: "../other.yaml" } });
  expect([values.cache, file]).toEqual([{ max_size: 1, max_entries: 100 }, here.at("other.yaml")]);
  await expect(here.load({ flags: { config: "none.yaml" } })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining(here.at("project/none.yaml")),
  });
});

test("pipeline.yaml with an artifact_store section is a project file", async () => {
  using here = world({});
  writeFileSync(here.at("project/pipeline.yaml"), "steps: [train]\nartifact_store: ./s\ntracking: {training: {enabled: false}}\n");
  const { values, roots } = await here.load({ cwd: here.at("project/sub") });
  expect([roots.store, values.tracking.training.enabled]).toEqual([here.at("project/s"), false]);
});

test("problems name file, line and column; those of both files are kept", async () => {
  using here = world({ user: "cash: {}\n", project: "cache:\n  max_entris: 1\n" });
  await expect(here.load()).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: `${here.at("project/coffer.yaml")}:2:3: unknown key cache.max_entris (and 1 more: coffer config validate lists them)`,
    hint: "did you mean max_entries?",
    problems: [{ line: 2 }, { line: 1 }],
  });
});

test("overlapping roots are refused whatever source they come from", async () => {
  using here = world({ project: "workspace: {root: ./artifacts/mine}\n" });
  await expect(here.load()).rejects.toMatchObject({ code: "ROOTS_OVERLAP" });
  using env = world({});
  await expect(env.load({ env: { COFFER_ROOT: "/a", CORE_ARTIFACT_ROOT: "/a/b" } })).rejects.toMatchObject({ code: "ROOTS_OVERLAP" });
});

test("a .env file is not read", async () => {
  using here = world({ project: 'artifact_store: "${FROM_DOTENV:plain}"\n' });
  writeFileSync(here.at("project/.env"), "FROM_DOTENV=leaked\nCOFFER_ROOT=/leaked\n");
  expect((await here.load()).roots.store).toBe(here.at("project/plain"));
});

test("an unknown key has no origin", async () => {
  using here = world({});
  const { origin } = await here.load();
  expect(() => origin("cache.max")).toThrow("no such configuration key");
});
