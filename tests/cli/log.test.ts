import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { ArtifactRecord } from "../../src/registry/describe.ts";
import { asOrdinaryUser, giveToEverybody } from "../support/mount.ts";
import { binary, cleanEnvironment, coffer, spawnCoffer } from "../support/coffer.ts";
import { git } from "../support/git.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done, words } from "./words.ts";
import type { JsonError } from "./words.ts";

interface LogDocument {
  run: string | null;
  artifacts: {
    id: string;
    name: string | null;
    version: number;
    digest: string;
    type: string;
    depends_on: string[];
    code_commit: string | null;
    configuration: object;
  }[];
  added: { blobs: number; bytes: number };
  lines: { taken: number; refused: number };
}
interface RunDocument {
  state: string;
  params: Record<string, string>;
  metrics: Record<string, number | string>;
  tags: Record<string, string>;
  artifacts: { path: string }[];
}

const runs = async (root: string) => (await done(["runs", "--json", "--limit", "0"], { root })).json<{ runs: { id: string }[] }>().runs;
const list = async (root: string) =>
  (await done(["ls", "--json", "--limit", "0"], { root })).json<{ artifacts: { path: string; version: number; digest: string }[] }>()
    .artifacts;
const verified = async (root: string) => (await coffer(["verify", "--json"], { root })).json<{ damage: unknown[] }>().damage;

test("log keeps a file, prints its reference on stdout and the rest on stderr", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("model.onnx"), "weights");
  const first = await done(["log", "model.onnx", "--name", "churn"], { root: root.at("s"), cwd: root.path });
  expect([first.stdout, words(first.stderr)]).toEqual(["churn@v1\n", "coffer: kept model.onnx (7 B, the store grew by 7 B) on run RUN\n"]);
  const second = await done(["log", "model.onnx"], { root: root.at("s"), cwd: root.path });
  expect([words(second.stdout), words(second.stderr)]).toEqual([
    "RUN/model.onnx\n",
    "coffer: kept model.onnx (7 B, the store grew by 0 B) on run RUN\n",
  ]);
  const quiet = await done(["log", "--metric", "a=1", "--quiet"], { root: root.at("s") });
  expect([words(quiet.stdout), quiet.stderr]).toEqual(["RUN\n", ""]);
});

test("everything that is said of an artifact and its run can be shown again", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "x");
  await done(["log", "f", "--name", "base"], { root: root.at("s"), cwd: root.path });
  const flags = [
    "--type",
    "model",
    "--class",
    "Ridge",
    "--dataset",
    "corn",
    "--step",
    "0001_pls:0:2:3.1:0",
    "--description",
    "two words",
    "--format",
    "joblib",
    "--format-version",
    "1.9",
  ];
  const more = [
    "--depends-on",
    "base@v1",
    "--artifact-tag",
    "k=v",
    "--metric",
    "rmse=0.5@3",
    "--metric",
    "nan=NaN",
    "--param",
    "lr=0.1",
    "--tag",
    "team=a",
  ];
  const { run } = (
    await done(["log", "f", "--as", "out/model.bin", ...flags, ...more, "--json"], { root: root.at("s"), cwd: root.path })
  ).json<LogDocument>();
  const shown = (await done(["show", "0001_pls:0:2:3.1:0", "--json"], { root: root.at("s") })).json();
  expect(shown).toMatchObject({
    path: "out/model.bin",
    run,
    type: "model",
    class: "Ridge",
    dataset: "corn",
    pipeline_id: "0001_pls",
    branch_path: [0, 2],
    step_index: 3,
    sub_step: 1,
    fold_id: 0,
    description: "two words",
    format: "joblib",
    format_version: "1.9",
    tags: { k: "v" },
    run_metrics: { rmse: 0.5, nan: "NaN" },
    run_params: { lr: "0.1" },
    run_tags: { team: "a" },
    depends_on: [expect.stringMatching(/\/f$/)],
    version: 1,
  });
  expect((shown as { configuration: object }).configuration).toMatchObject({ workspace: { policy: "separated" } });
});

test("a run of its own knows the commit, host and user; outside a repository it has no commit", async () => {
  using root = temporaryRoot();
  const repo = root.at("repo");
  mkdirSync(root.at("repo/below"), { recursive: true });
  git(repo, "init", "-q", "-b", "trunk");
  const show = async (cwd: string) => {
    const { run } = (await done(["log", "--param", "a=1", "--json"], { root: root.at("s"), cwd })).json<LogDocument>();
    return (await done(["show", run as string, "--json"], { root: root.at("s") })).json<{ code: object; host: string; user: string }>();
  };
  expect((await show(root.at("repo"))).code).toEqual({ commit: null, branch: null, remote: null, dirty: null });
  git(repo, "commit", "-q", "--allow-empty", "-m", "x");
  const head = git(repo, "rev-parse", "HEAD");
  expect(await show(root.at("repo/below"))).toMatchObject({
    code: { commit: head, branch: "trunk" },
    host: expect.stringMatching(/./),
    user: expect.stringMatching(/./),
  });
  git(repo, "checkout", "-q", "--detach");
  expect((await show(root.at("repo"))).code).toMatchObject({ commit: head, branch: null });
  expect((await show(root.path)).code).toMatchObject({ commit: null });
});

test("log to a run that is named, or to the current one; an empty variable is none", async () => {
  using root = temporaryRoot();
  const { run } = (await done(["log", "--param", "a=1", "--json"], { root: root.at("s") })).json<LogDocument>();
  await done(["log", "--param", "b=2", "--run", run as string], { root: root.at("s") });
  await done(["log", "--param", "c=3"], { root: root.at("s"), env: { COFFER_RUN_ID: run as string, MLFLOW_RUN_ID: "ignored" } });
  await done(["log", "--param", "d=4"], { root: root.at("s"), env: { COFFER_RUN_ID: "", MLFLOW_RUN_ID: "" } });
  expect((await done(["show", run as string, "--json"], { root: root.at("s") })).json<RunDocument>().params).toEqual({
    a: "1",
    b: "2",
    c: "3",
  });
  expect((await runs(root.at("s"))).length).toBe(2);
});

test("outside of a run the environment says where in a pipeline something stands, as it does to a run; a step's id says it alone", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "x");
  const at = {
    root: root.at("s"),
    cwd: root.path,
    env: { COFFER_PIPELINE: "p", COFFER_BRANCH: "0:2", COFFER_STEP: "3.1", COFFER_FOLD: "4" },
  };
  const log = async (...args: string[]) =>
    (await done(["log", "f", "--json", ...args], at)).json<{ artifacts: ArtifactRecord[] }>().artifacts[0];
  expect(await log()).toMatchObject({ pipeline_id: "p", branch_path: [0, 2], step_index: 3, sub_step: 1, fold_id: 4 });
  expect(await log("--step", "q:1:all")).toMatchObject({ pipeline_id: "q", branch_path: [], step_index: 1, sub_step: null, fold_id: null });
});

test("a directory of 1,000 files that is logged twice adds no byte the second time", async () => {
  using root = temporaryRoot();
  for (let i = 0; i < 1000; i++) {
    if (i % 100 === 0) mkdirSync(root.at("d", `${i}`), { recursive: true });
    writeFileSync(root.at("d", `${i - (i % 100)}`, `${i}`), `file ${i} ${"x".repeat(i)}`);
  }
  writeFileSync(root.at("d/large"), Buffer.alloc(1 << 20, 7));
  const bytes = async () => (await done(["stats", "--json"], { root: root.at("s") })).json<{ stored: number; disk: { store: object } }>();
  const first = (await done(["log", "d", "--json"], { root: root.at("s"), cwd: root.path })).json<LogDocument>();
  const before = await bytes();
  const second = (await done(["log", "d", "--json"], { root: root.at("s"), cwd: root.path })).json<LogDocument>();
  const after = await bytes();
  expect([first.added.blobs, second.added, second.artifacts[0]?.digest]).toEqual([
    1002,
    { blobs: 0, bytes: 0 },
    first.artifacts[0]?.digest as string,
  ]);
  expect([after.stored, after.disk.store]).toEqual([before.stored, before.disk.store]);
  expect(await verified(root.at("s"))).toEqual([]);
});

test("thirty-two processes log at once, and nothing is lost", async () => {
  using root = temporaryRoot();
  const numbers = Array.from({ length: 32 }, (_, index) => index);
  for (const i of numbers) writeFileSync(root.at(`f${i}`), i % 2 ? "the same" : `own ${i}`);
  const ends = await Promise.all(
    numbers.map((i) =>
      coffer(["log", `f${i}`, "--name", "many", "--metric", `m=${i}`, "--param", `p=${i}`], { root: root.at("s"), cwd: root.path }),
    ),
  );
  expect(ends.filter(({ code }) => code !== 0).map(({ stderr }) => stderr)).toEqual([]);
  const kept = await list(root.at("s"));
  expect(kept.map(({ version }) => version)).toEqual(numbers.map((i) => 32 - i));
  expect([new Set(kept.map(({ digest }) => digest)).size, (await runs(root.at("s"))).length, await verified(root.at("s"))]).toEqual([
    17,
    32,
    [],
  ]);
  expect([readdirSync(root.at("s/tmp")), readdirSync(root.at("s/manifests")).length]).toEqual([[], 32]);
});

test("kill -9 at any moment of log leaves the artifact whole or absent, and a store that is clean", async () => {
  using root = temporaryRoot();
  const large = Buffer.alloc(24 << 20);
  let whole = 0;
  for (let round = 0; round < 30; round++) {
    large.writeUInt32LE(round + 1, round * 1000);
    writeFileSync(root.at("large"), large);
    const child = spawnCoffer(["log", "large", "--name", "model", "--as", `large-${round}`], { root: root.at("s"), cwd: root.path });
    // every round a little later, from before the first write to after the last
    await Bun.sleep(5 + round * 2);
    child.kill("SIGKILL");
    await child.exited;
    if (existsSync(root.at("s/coffer.db"))) {
      const listed = await coffer(["ls", "model", "--json"], { root: root.at("s") });
      // killed before the store was one
      if (listed.code === 4) continue;
      const now = listed.json<{ artifacts: { path: string }[] }>().artifacts.length;
      expect([0, 1]).toContain(now - whole);
      whole = now;
    }
  }
  expect(await verified(root.at("s"))).toEqual([]);
  // nothing of the dead is in the way of the next one, and the one after the last killed is whole
  await done(["log", "large", "--name", "model"], { root: root.at("s"), cwd: root.path });
  expect((await list(root.at("s"))).length).toBe(whole + 1);
  // what was killed between its commit and its tidying up is left to gc
  await done(["gc", "--grace", "0", "--apply"], { root: root.at("s") });
  expect([readdirSync(root.at("s/tmp")), readdirSync(root.at("s/binaries/default")).length]).toEqual([
    [],
    new Set((await list(root.at("s"))).map(({ digest }) => digest)).size,
  ]);
  expect(await verified(root.at("s"))).toEqual([]);
}, 60_000);

test("a store whose making was killed at any moment is made by the next command", async () => {
  using root = temporaryRoot();
  for (let round = 0; round < 25; round++) {
    const store = root.at(`s${round}`);
    const child = spawnCoffer(["log", "--param", "first=1"], { root: store });
    await Bun.sleep(4 + round * 0.8);
    child.kill("SIGKILL");
    await child.exited;
    expect([0, 4]).toContain((await coffer(["ls"], { root: store })).code as number);
    expect(await coffer(["log", "--param", "second=1"], { root: store })).toMatchObject({ code: 0 });
    expect([1, 2]).toContain((await runs(store)).length);
  }
}, 60_000);

// Standard input --------------------------------------------------------------------------------------------------

const stdin = (root: TemporaryRoot, lines: readonly (string | object)[], args: readonly string[] = []) =>
  coffer(["log", "--stdin", "--json", ...args], {
    root: root.at("s"),
    cwd: root.path,
    stdin: lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""),
  });

test("a standard input that cannot be read is said to be, and no disk is blamed", async () => {
  using root = temporaryRoot();
  const before = ["sh", "-c", 'exec "$@" </', "sh"];
  const { code, stderr } = await coffer(["log", "--stdin"], { root: root.at("store"), cwd: root.path, before });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^coffer: error: standard input cannot be read: EISDIR/)]);
});

test("--stdin takes metrics, params, tags and artifacts, one a line, into one run", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "file");
  const result = await stdin(root, [
    { metric: "loss", value: 0.5, step: 1, time: 1000 },
    '{"metric": "loss", "value": NaN, "step": 2}',
    { metric: "acc", value: "Infinity" },
    "",
    { param: "lr", value: 0.1 },
    { param: "on", value: true },
    { artifact: "f", as: "out/f", name: "named", type: "model" },
    // JSON may hold a line separator as it is
    { tag: "team", value: "x\u2028y" },
  ]);
  const { run, lines } = result.json<LogDocument>();
  expect([result.code, lines]).toEqual([0, { taken: 7, refused: 0 }]);
  expect((await done(["show", run as string, "--json"], { root: root.at("s") })).json<RunDocument>()).toMatchObject({
    state: "finished",
    metrics: { loss: "NaN", acc: "Infinity" },
    params: { lr: "0.1", on: "true" },
    tags: { team: "x\u2028y" },
    artifacts: [{ path: "out/f" }],
  });
  expect((await runs(root.at("s"))).length).toBe(1);
});

test("a line that cannot be taken is named by its number; the others stand, and the exit code is 3", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "file");
  const result = await stdin(root, [
    { metric: "ok", value: 1 },
    "not json",
    { metric: "x", value: "abc" },
    { metric: "x" },
    { metric: "", value: 1 },
    { nonsense: 1 },
    { param: "p", value: [1] },
    { artifact: "missing" },
    { artifact: "f", as: "../out" },
    { artifact: "f", type: "modle" },
    { artifact: "f", name: "a/b" },
    { metric: "x", value: 1, step: 1.5 },
    { metric: "x", value: 1, extra: true },
    { artifact: "f" },
    { metric: "last", value: 2 },
  ]);
  const { run, lines } = result.json<LogDocument>();
  expect([result.code, lines]).toEqual([3, { taken: 3, refused: 12 }]);
  expect([...result.stderr.matchAll(/error: line ([0-9]+): /g)].map((match) => Number(match[1]))).toEqual([
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
  ]);
  expect((await done(["show", run as string, "--json"], { root: root.at("s") })).json<RunDocument>()).toMatchObject({
    metrics: { ok: 1, last: 2 },
    artifacts: [{ path: "f" }],
  });
});

test("twenty thousand points come through one process, in order", async () => {
  using root = temporaryRoot();
  const result = await stdin(
    root,
    Array.from({ length: 20_000 }, (_, step) => ({ metric: "loss", value: step, step })),
  );
  const { run, lines } = result.json<LogDocument>();
  expect(lines.taken).toBe(20_000);
  expect((await done(["show", run as string, "--json"], { root: root.at("s") })).json<RunDocument>().metrics).toEqual({ loss: 19_999 });
});

test("a line of a slow loop is there soon, though no other follows", async () => {
  using root = temporaryRoot();
  const child = Bun.spawn([binary(), "log", "--stdin"], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    env: { ...cleanEnvironment(), COFFER_ROOT: root.at("s") },
  });
  child.stdin.write('{"metric": "loss", "value": 1}\n');
  child.stdin.flush();
  for (;;) {
    const found = await coffer(["ls", "--json"], { root: root.at("s") });
    if (found.code === 0 && (await runs(root.at("s"))).length > 0) break;
    await Bun.sleep(50);
  }
  child.stdin.write('{"metric": "loss", "value": 2}\n{"param": "p", "value": 1}');
  child.stdin.end();
  expect(await child.exited).toBe(0);
  const [run] = await runs(root.at("s"));
  expect((await done(["show", run?.id as string, "--json"], { root: root.at("s") })).json<RunDocument>()).toMatchObject({
    metrics: { loss: 2 },
    params: { p: "1" },
  });
});

test("nothing on standard input is a document without a run", async () => {
  using root = temporaryRoot();
  const result = await stdin(root, []);
  expect([result.code, result.json()]).toEqual([
    0,
    {
      schema: "coffer.log/1",
      run: null,
      artifacts: [],
      added: { blobs: 0, bytes: 0 },
      stage: null,
      skipped: [],
      held_back: [],
      notes: [],
      lines: { taken: 0, refused: 0 },
    },
  ]);
});

// Bad input -------------------------------------------------------------------------------------------------------

const BAD: [args: string[], exit: number, code: string, words: RegExp][] = [
  [[], 2, "USAGE", /nothing to log/],
  [["f", "--nmae", "x"], 2, "USAGE", /unknown flag --nmae.*did you mean --name\?/],
  [["f", "--name"], 2, "USAGE", /--name needs a value.*write --name=VALUE/],
  [["--name", "--", "f"], 2, "USAGE", /--name needs a value/],
  [["f", "--name", "a", "--name", "b"], 2, "USAGE", /given twice/],
  [["f", "--name", "../x"], 2, "NAME_INVALID", /not a name/],
  [["f", "--name", "a/b"], 2, "NAME_INVALID", /slash/],
  [["f", "--name", "a@v3"], 2, "NAME_INVALID", /@/],
  [["f", "--name", "x".repeat(300)], 2, "NAME_INVALID", /longer than 200/],
  [["f", "--dataset", ".."], 2, "NAME_INVALID", /not a dataset/],
  [["f", "--dataset", "a\nb"], 2, "NAME_INVALID", /control character/],
  [["f", "--class", "a/b"], 2, "NAME_INVALID", /not a class/],
  [["f", "--as", "../x"], 2, "PATH_INVALID", /not a path inside a run/],
  [["f", "--as", "/etc/x"], 2, "PATH_INVALID", /not a path inside a run/],
  [["f", "g", "--as", "x"], 2, "USAGE", /exactly one PATH/],
  [["f", "g", "--name", "x"], 2, "USAGE", /versions of one another/],
  [["f", "g", "--step", "p:1:all"], 2, "USAGE", /versions of one another/],
  [["f", "d/f"], 2, "COLLISION", /would both be “f”/],
  [["f", "--type", "modle"], 2, "USAGE", /did you mean model\?/],
  [["f", "--step", "0001:1_0:all"], 2, "NAME_INVALID", /not an execution-path id/],
  [["--metric", "loss"], 2, "VALUE_INVALID", /not a metric/],
  [["--metric", "loss=high"], 2, "VALUE_INVALID", /not a metric/],
  [["--param", "=x"], 2, "VALUE_INVALID", /not a param/],
  [["--tag", "x"], 2, "VALUE_INVALID", /not a tag/],
  [["f", "--checkpoint", "d"], 2, "USAGE", /go with --stage/],
  [["f", "--stage", "trainig"], 2, "USAGE", /did you mean training\?/],
  [["missing"], 1, "UNREADABLE", /cannot be read.*nothing was stored/],
  [["f", "missing"], 1, "UNREADABLE", /missing/],
  [["link"], 1, "UNREADABLE", /neither a file nor a directory/],
  [["fifo"], 1, "UNREADABLE", /neither a file nor a directory/],
  [["out"], 1, "UNREADABLE", /out\/link.*a link out of the directory/],
  [["f", "--depends-on", "nobody"], 4, "DEPENDENCY_MISSING", /--depends-on nobody.*nothing was stored/],
  [["f", "--run", "0192f"], 4, "NOT_FOUND", /no run “0192f”/],
  [["f", "--config", "none.yaml"], 2, "CONFIG_INVALID", /none\.yaml/],
];

test.each(BAD)("log %j is refused with %d %s, says what to do, and changes nothing", async (args, exit, code, said) => {
  const root = (shared ??= await makeShared());
  const before = snapshot(root.at("s"));
  const split = args.indexOf("--");
  const own = split === -1 ? [...args, "--json"] : [...args.slice(0, split), "--json", ...args.slice(split)];
  const result = await coffer(["log", ...own], { root: root.at("s"), cwd: root.path });
  const error = JSON.parse(result.stderr) as JsonError;
  expect([result.code, result.stdout, error.schema, error.code, error.exit]).toEqual([exit, "", "coffer.error/1", code, exit]);
  expect(`${error.message} ${error.hint ?? ""} ${error.candidates.join(" ")}`.replaceAll("\n", " ")).toMatch(said);
  expect((error.hint ?? "").length).toBeGreaterThan(5);
  expect(snapshot(root.at("s"))).toEqual(before);
  const plain = await coffer(["log", ...args], { root: root.at("s"), cwd: root.path });
  expect(plain.stderr).toMatch(/^coffer: error: /);
  expect(plain.stderr).not.toMatch(/internal error|\n {4}at /);
});

/** Made once: each of these calls has to leave it as it is. */
let shared: TemporaryRoot | undefined;
afterAll(() => shared?.[Symbol.dispose]());

async function makeShared(): Promise<TemporaryRoot> {
  const root = temporaryRoot();
  for (const directory of ["d", "out"]) mkdirSync(root.at(directory));
  for (const file of ["f", "g", "d/f"]) writeFileSync(root.at(file), file);
  symlinkSync("f", root.at("link"));
  symlinkSync("/etc/passwd", root.at("out/link"));
  Bun.spawnSync(["mkfifo", root.at("fifo")]);
  await done(["log", "f", "--name", "before"], { root: root.at("s"), cwd: root.path });
  return root;
}

/** The rows that tell of runs and artifacts, and all files. */
function snapshot(store: string): unknown {
  using db = new Database(`${store}/coffer.db`, { readonly: true });
  const rows = ["runs", "artifacts", "blobs", "leases", "params", "events"].map((table) => db.query(`SELECT * FROM ${table}`).values());
  return [rows, [...new Bun.Glob("{binaries,tmp,manifests,cache}/**").scanSync({ cwd: store, dot: true })].toSorted()];
}

test("a bad call makes no store", async () => {
  using root = temporaryRoot();
  for (const args of [
    ["log", "missing", "--nmae", "x"],
    ["log", "--metric", "x"],
    ["log", "f", "--name", "../x"],
  ])
    await coffer(args, { root: root.at("s"), cwd: root.path });
  expect(existsSync(root.at("s"))).toBe(false);
});

test("unreadable files and directories are an error, alone and inside of others; --ignore leaves them out", async () => {
  const user = asOrdinaryUser();
  if (!user) return console.error("skipped: no ordinary user can be had here, so unreadable files are not tried");
  using root = temporaryRoot();
  giveToEverybody(root.path);
  for (const directory of ["d", "closed", "e/closed"]) mkdirSync(root.at(directory), { recursive: true });
  for (const file of ["d/fine", "d/secret", "closed/f", "e/closed/f"]) writeFileSync(root.at(file), "");
  for (const path of ["d/secret", "closed", "e/closed"]) chmodSync(root.at(path), 0);
  const log = async (...args: string[]) => {
    const options = { before: user, root: root.at("s"), cwd: root.path, env: { HOME: root.path } };
    const { code, stderr } = await coffer(["log", ...args, "--json"], options);
    return [code, code === 0 ? "" : (JSON.parse(stderr.trim().split("\n").at(-1) as string) as JsonError)] as const;
  };
  for (const path of ["d/secret", "d", "closed", "e"])
    expect([path, ...(await log(path))]).toMatchObject([path, 1, { code: "UNREADABLE", hint: expect.stringContaining("nothing") }]);
  expect(await log("d", "--ignore", "secret")).toEqual([0, ""]);
  expect((await list(root.at("s"))).length).toBe(1);
});

test("a store that was damaged by hand is an error with a name, not a stack trace", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "x");
  await done(["log", "f"], { root: root.at("s"), cwd: root.path });
  rmSync(root.at("s/coffer.db"));
  writeFileSync(root.at("s/coffer.db"), "not a database, but long enough to be looked at as one. ".repeat(10));
  const result = await coffer(["log", "f", "--json"], { root: root.at("s"), cwd: root.path });
  expect([result.code, JSON.parse(result.stderr)]).toMatchObject([5, { code: "STORE_DAMAGED" }]);
  expect(readFileSync(root.at("s/coffer.db"), "utf8")).toStartWith("not a database");
});
