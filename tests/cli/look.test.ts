import { afterAll, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { binary, cleanEnvironment, coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done, words } from "./words.ts";
import type { JsonError } from "./words.ts";

/** Made once, and only looked at: three versions of a name, a directory, a file with an odd name, a run that was removed. */
let shared: Promise<{ root: TemporaryRoot; store: string; runs: string[] }> | undefined;
afterAll(async () => (await shared)?.root[Symbol.dispose]());

function world(): NonNullable<typeof shared> {
  return (shared ??= make());
}

async function make(): NonNullable<typeof shared> {
  const root = temporaryRoot();
  const options = { root: root.at("s"), cwd: root.path };
  const runs: string[] = [];
  const log = async (...args: string[]) => runs.push((await done(["log", "--json", ...args], options)).json<{ run: string }>().run);
  for (const [version, rmse] of ["0.30", "0.15", "0.10"].entries()) {
    writeFileSync(root.at("model.bin"), `model ${version}`);
    await log(
      "model.bin",
      "--name",
      "churn",
      "--type",
      "model",
      "--dataset",
      "corn",
      "--metric",
      `rmse=${rmse}`,
      "--param",
      `lr=${version}`,
      "--tag",
      `try=${version}`,
      ...(version > 0 ? ["--tag", "good=yes"] : []),
    );
  }
  mkdirSync(root.at("data/deep"), { recursive: true });
  mkdirSync(root.at("data/empty"));
  for (const name of ["a.csv", "deep/b.csv"]) writeFileSync(root.at("data", name), name);
  symlinkSync("a.csv", root.at("data/link"));
  await log("data", "--description", "what it is", "--depends-on", "churn@v1");
  writeFileSync(root.at("new\nline"), "odd");
  await log("new\nline");
  await log("--param", "gone=1");
  await done(["rm", runs.at(-1) as string], options);
  return { root, store: root.at("s"), runs };
}

const look = async (...args: string[]) => coffer(args, { root: (await world()).store });
const refs = async (...args: string[]) =>
  (await look("ls", "--json", ...args)).json<{ artifacts: { ref: string }[] }>().artifacts.map(({ ref }) => words(ref));

test("ls lists the newest first, in columns", async () => {
  const { stdout, stderr, code } = await look("ls");
  expect([code, stderr]).toEqual([0, ""]);
  expect(words(stdout.replace(/ {2,}/g, "  "))).toMatchInlineSnapshot(`
    "REF  TYPE  SIZE  FILES  DATASET  CREATED (UTC)  STATE
    RUN/new\\nline  file  3 B  TIME
    RUN/data  file  15 B  2  TIME
    churn@v3  model  7 B  corn  TIME
    churn@v2  model  7 B  corn  TIME
    churn@v1  model  7 B  corn  TIME
    "
  `);
});

test("ls of a store without artifacts says so", async () => {
  using root = temporaryRoot();
  await done(["log", "--param", "a=1"], { root: root.at("s") });
  expect((await done(["ls"], { root: root.at("s") })).stdout).toBe("no artifacts\n");
});

test.each([
  [["churn"], ["churn@v3", "churn@v2", "churn@v1"]],
  [["--name", "churn", "--limit", "1"], ["churn@v3"]],
  [
    ["--type", "model", "--where", "metrics.rmse < 0.2"],
    ["churn@v3", "churn@v2"],
  ],
  [["--where", "metrics.rmse < 0.2", "--where", "params.lr = 1"], ["churn@v2"]],
  [["--where", "metrics.rmse < 0.2", "--limit", "1"], ["churn@v3"]],
  [
    ["--tag", "good"],
    ["churn@v3", "churn@v2"],
  ],
  [["--tag", "good", "--tag", "try=2"], ["churn@v3"]],
  [["--tag", "good=no"], []],
  [
    ["--dataset", "corn", "--limit", "0"],
    ["churn@v3", "churn@v2", "churn@v1"],
  ],
  [["--dataset", "wheat"], []],
  [["nobody"], []],
  [["--pipeline", "p"], []],
])("ls %j", async (args, wanted) => {
  expect(await refs(...args)).toEqual(wanted);
});

test("ls --sort shows what it sorted by; what has none comes last", async () => {
  const sorted = async (...args: string[]) =>
    (await look("ls", "--json", ...args)).json<{ artifacts: { ref: string }[]; sorted: { field: string; values: unknown[] } }>();
  const best = await sorted("--sort", "metrics.rmse");
  expect(best.artifacts.map(({ ref }) => words(ref))).toEqual(["churn@v3", "churn@v2", "churn@v1", "RUN/new\nline", "RUN/data"]);
  expect(best.sorted).toEqual({ field: "metrics.rmse", values: [0.1, 0.15, 0.3, null, null] });
  const worst = await sorted("--sort", "metrics.rmse:desc", "--limit", "1");
  expect([worst.artifacts.map(({ ref }) => ref), worst.sorted.values]).toEqual([["churn@v1"], [0.3]]);
  expect(words((await look("ls", "--sort", "metrics.rmse", "--limit", "1")).stdout.replace(/ {2,}/g, "  "))).toBe(
    "REF  metrics.rmse  TYPE  SIZE  FILES  DATASET  CREATED (UTC)  STATE\nchurn@v3  0.1  model  7 B  corn  TIME\n",
  );
});

test("ls --run lists what one run made", async () => {
  const { runs } = await world();
  expect(await refs("--run", runs[3] as string)).toEqual(["RUN/data"]);
});

test("a list of more than a thousand is printed in parts, and is one document or one table", async () => {
  using root = temporaryRoot();
  const names = Array.from({ length: 2000 }, (_, index) => `f${index}`);
  for (const name of names) writeFileSync(root.at(name), name);
  await done(["log", ...names], { root: root.at("s"), cwd: root.path });
  const list = async (...args: string[]) => (await done(["ls", "--limit", "0", ...args], { root: root.at("s") })).stdout;
  const paths = names.toReversed();
  expect((JSON.parse(await list("--json")) as { artifacts: { path: string }[] }).artifacts.map(({ path }) => path)).toEqual(paths);
  const [head, ...rows] = (await list()).trimEnd().split("\n");
  expect([head?.startsWith("REF "), rows.map((row) => /\/(f[0-9]+) /.exec(row)?.[1])]).toEqual([true, paths]);
});

test("ls shows a hundred, and says when there are more", async () => {
  using root = temporaryRoot();
  const names = Array.from({ length: 101 }, (_, index) => `f${index}`);
  for (const name of names) writeFileSync(root.at(name), name);
  await done(["log", ...names], { root: root.at("s"), cwd: root.path });
  const lines = async (...args: string[]) => {
    const { stdout, stderr } = await done(["ls", ...args], { root: root.at("s") });
    return [stdout.trim().split("\n").length - 1, stderr];
  };
  expect(await lines()).toEqual([100, "coffer: there are more than 100; --limit 0 shows all\n"]);
  expect(await lines("--limit", "0")).toEqual([101, ""]);
  expect(await lines("--limit", "2")).toEqual([2, ""]);
});

test("runs lists the newest first, without what rm took away", async () => {
  const { runs } = await world();
  const ids = async (...args: string[]) =>
    (await look("runs", "--json", ...args)).json<{ runs: { id: string }[] }>().runs.map(({ id }) => id);
  expect(await ids()).toEqual(runs.slice(0, 5).toReversed());
  expect(await ids("--all", "--limit", "1")).toEqual([runs[5] as string]);
  expect(await ids("--tag", "good", "--tag", "try=2")).toEqual([runs[2] as string]);
  expect(await ids("--dataset", "corn", "--state", "finished")).toEqual(runs.slice(0, 3).toReversed());
  expect(await ids("--state", "failed")).toEqual([]);
  expect((await look("runs", "--state", "failed")).stdout).toBe("no runs\n");
});

test("show tells everything of an artifact", async () => {
  expect(words((await look("show", "churn@v2")).stdout)).toMatchInlineSnapshot(`
    "artifact  RUN/model.bin
    name      churn@v2
    versions  v3, v2, v1
    state     live
    type      model
    size      7 B
    digest    blake3:DIGEST
    path      model.bin
    run       RUN
    created   TIME
    dataset   corn

    params of the run
      lr  1

    metrics of the run
      rmse  0.15

    tags of the run
      good  yes
      try   1

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
});

test("show tells everything of a run", async () => {
  const { runs, root } = await world();
  const { stdout } = await look("show", runs[2] as string);
  expect(words(stdout, root.path).replace(/^host .*$/m, "host HOST")).toMatchInlineSnapshot(`
    "run        RUN
    state      finished
    directory  ROOT
    started    TIME
    took       0 ms
    dataset    corn
    host HOST

    params
      lr  2

    metrics
      rmse  0.1

    tags
      good  yes
      try   2

    ARTIFACT  TYPE   SIZE  STATE
    churn@v3  model   7 B

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
});

test("show --files lists a directory", async () => {
  const { runs } = await world();
  const { stdout } = await look("show", `${runs[3]}/data`, "--files");
  expect(stdout.slice(stdout.indexOf("\n\nFILE")).trim()).toMatchInlineSnapshot(`
    "FILE           SIZE
    a.csv          5 B
    deep/b.csv     10 B
    empty/
    link -> a.csv"
  `);
});

test("a name with a line break stays on its line", async () => {
  const { runs } = await world();
  expect((await look("ls", "--limit", "1")).stdout.split("\n").length).toBe(3);
  expect((await look("show", runs[4] as string)).stdout).toContain("\nnew\\nline  file");
  expect((await look("show", `${runs[4]}/new\nline`, "--json")).json()).toMatchObject({ path: "new\nline" });
});

test.each([
  [["ls", "--where", "rmse < 1"], 2, "VALUE_INVALID", /not a condition/],
  [["ls", "--type", "modell"], 2, "USAGE", /did you mean model\?/],
  [["ls", "--limit", "-1"], 2, "USAGE", /--limit/],
  [["ls", "--limit=-1"], 2, "USAGE", /not a number of lines/],
  [["ls", "--limit", "1e3"], 2, "USAGE", /not a number of lines/],
  [["ls", "churn", "--name", "churn"], 2, "USAGE", /given twice/],
  [["ls", "a", "b"], 2, "USAGE", /one word too many/],
  [["ls", "--run", "ffff"], 4, "NOT_FOUND", /no run “ffff”/],
  [["ls", "--tpye", "model"], 2, "USAGE", /did you mean --type\?/],
  [["runs", "--state", "finishd"], 2, "USAGE", /did you mean finished\?/],
  [["runs", "--limit", "x"], 2, "USAGE", /not a number of lines/],
  [["show"], 2, "USAGE", /REF is missing/],
  [["show", "chrun"], 4, "NOT_FOUND", /did you mean churn\?/],
  [["show", "churn@v9"], 4, "NOT_FOUND", /churn@v3/],
  [["show", "churn@best"], 4, "NOT_FOUND", /has no “best”/],
  [["show", "../x"], 4, "NOT_FOUND", /nothing is called/],
  [["show", "churn", "--file"], 2, "USAGE", /did you mean --files\?/],
  [["get"], 2, "USAGE", /REF is missing/],
  [["get", "chrun"], 4, "NOT_FOUND", /did you mean churn\?/],
  [["get", "churn@v0"], 4, "NOT_FOUND", /has no “v0”/],
  [["get", "blake3:0000"], 4, "NOT_FOUND", /no artifact has the digest/],
  [["get", "churn", "-x"], 2, "USAGE", /unknown flag -x/],
  [["get", "churn", "-o"], 2, "USAGE", /-o needs a value write -o VALUE/],
  [["verify", "--sample", "0"], 2, "USAGE", /not a share/],
  [["verify", "--sample", "200%"], 2, "USAGE", /not a share/],
  [["verify", "--sample", "all"], 2, "USAGE", /not a share/],
  [["stats", "x"], 2, "USAGE", /one word too many/],
  [["shwo", "churn"], 2, "USAGE", /did you mean coffer show\?/],
  [["--json", "ls"], 2, "USAGE", /the command comes first/],
] as const)("%j is refused with %d %s and says what to do", async (args, exit, code, said) => {
  const result = await look(...args, ...(args.some((word) => word === "--json") ? [] : ["--json"]));
  const error = JSON.parse(result.stderr) as JsonError;
  expect([result.code, result.stdout, error.code, error.exit]).toEqual([exit, "", code, exit]);
  expect(`${error.message} ${error.hint ?? ""} ${error.candidates.join(" ")}`).toMatch(said);
  expect((error.hint ?? "").length).toBeGreaterThan(5);
});

test("an ambiguous reference is 2 and lists what it may mean; an unknown one is 4", async () => {
  const { runs } = await world();
  const prefix = (runs[0] as string).slice(0, 6);
  const result = await look("show", prefix);
  expect([result.code, result.stdout]).toEqual([2, ""]);
  expect(result.stderr).toStartWith(`coffer: error: “${prefix}” begins the ids of several runs\n  ${runs[0]}\n`);
  expect(result.stderr).toEndWith("  hint: give more of the id\n");
});

test.each(["ls", "runs", "show x", "get x", "stats", "verify", "alias x best", "pin x", "unpin x", "tag x a=b", "rm x", "restore x"])(
  "%s where there is no store is 4, and makes none",
  async (call) => {
    using root = temporaryRoot();
    const result = await coffer(call.split(" "), { root: root.at("none"), cwd: root.path });
    expect([result.code, result.stdout, [...new Bun.Glob("**").scanSync({ cwd: root.path, dot: true, onlyFiles: false })]]).toEqual([
      4,
      "",
      [],
    ]);
    expect(result.stderr).toContain("there is no store at");
  },
);

test("--quiet leaves data and errors, and a reader that goes away ends the command quietly", async () => {
  const { store } = await world();
  expect((await coffer(["ls", "--quiet", "--limit", "1"], { root: store })).stderr).toBe("");
  const piped = Bun.spawnSync(["sh", "-c", `for i in 1 2 3 4 5; do "$0" ls --limit 0; done | head -c 10`, binary()], {
    env: { ...cleanEnvironment(), COFFER_ROOT: store },
    stderr: "pipe",
  });
  expect([piped.stdout.length, piped.stderr.toString()]).toEqual([10, ""]);
});

test("what names no dataset is of the default one, wherever somebody asks for it", async () => {
  using root = temporaryRoot();
  const at = { root: root.at("s"), cwd: root.path };
  writeFileSync(root.at("f"), "f");
  await done(["log", "f", "--step", "p:1:all"], at);
  await done(["log", "f", "--dataset", "corn"], at);
  const ask = async (...args: string[]) => (await done([...args, "--dataset", "default", "--json"], at)).json<Record<string, unknown[]>>();
  expect((await ask("ls"))["artifacts"]).toMatchObject([{ id: "p:1:all", dataset: null }]);
  expect((await ask("runs"))["runs"]).toHaveLength(1);
  expect((await ask("load", "--pipeline", "p", "--step", "1"))["records"]).toHaveLength(1);
  const { by_dataset } = (await done(["stats", "--json"], at)).json<{ by_dataset: { key: string }[] }>();
  expect(by_dataset.map(({ key }) => key).toSorted()).toEqual(["corn", "default"]);
});
