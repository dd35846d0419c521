import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Database } from "bun:sqlite";
import { binary } from "../support/coffer.ts";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { place } from "./run-place.ts";

test("the child finds its run, its workspace and the roots in its environment, and nothing else changes", async () => {
  using here = place();
  const bare = await new Response(
    Bun.spawn(["env"], { env: { PATH: process.env["PATH"] ?? "", MARK: "kept as it is\nin two lines" } }).stdout,
  ).text();
  const wrapped = Bun.spawn([binary(), "run", "--root", here.root, "--", "env"], {
    cwd: here.path,
    env: { PATH: process.env["PATH"] ?? "", MARK: "kept as it is\nin two lines" },
    stdout: "pipe",
    stderr: "ignore",
  });
  const lines = (await wrapped.stdout.text()).split("\n").filter((line) => !bare.includes(line));
  const run = await here.shown();
  expect(lines.toSorted()).toEqual(
    [
      `COFFER_RUN_ID=${run.id}`,
      `COFFER_ROOT=${here.root}`,
      `COFFER_WORKSPACE=${here.root}/work/runs/${run.id}`,
      `CORE_ARTIFACT_ROOT=${here.root}/work`,
    ].toSorted(),
  );
  expect(run.workspace).toBe(`${here.root}/work/runs/${run.id}`);
  expect(run.directory).toBe(here.path);
});

test("the execution context is in the environment, and a variable without a value is not there at all", async () => {
  using here = place();
  const script = 'env | grep ^COFFER_ | grep -v "ROOT\\|RUN_ID\\|WORKSPACE" | sort';
  const step = await here.run(script, ["--pipeline", "0001_pls", "--step", "3.1", "--branch", "0:2", "--fold", "0", "--dataset", "corn"]);
  expect(step.stdout.trim().split("\n")).toEqual([
    "COFFER_BRANCH=0:2",
    "COFFER_DATASET=corn",
    "COFFER_FOLD=0",
    "COFFER_PIPELINE=0001_pls",
    "COFFER_STEP=3.1",
  ]);
  const run = await here.shown();
  expect([run.pipeline, run.branch_path, run.step_index, run.sub_step, run.fold_id, run.dataset]).toEqual([
    "0001_pls",
    [0, 2],
    3,
    1,
    0,
    "corn",
  ]);
  expect((await here.run(script)).stdout).toBe("");
});

test("a context that cannot be read is refused before anything is made", async () => {
  using here = place();
  for (const flags of [
    ["--step", "3"],
    ["--pipeline", "p", "--step", "3:1"],
    ["--pipeline", "p:3"],
    ["--pipeline", "p", "--branch", "0:x"],
    ["--pipeline", "p", "--fold", "2:3"],
    ["--pipeline", "p", "--step", "03"],
    ["--dataset", "a/b"],
    ["--name", "../x"],
  ]) {
    const result = await here.run("true", flags);
    expect([flags.join(" "), result.code, result.stderr.split(":")[0]]).toEqual([flags.join(" "), 125, "coffer"]);
  }
  expect(existsSync(here.root)).toBe(false);
});

test.each([
  ["exit 0", 0, "finished", null],
  ["exit 7", 7, "failed", null],
  ["exit 125", 125, "failed", null],
  ["exit 255", 255, "failed", null],
  ["kill -KILL $$", 137, "killed", "SIGKILL"],
  ["kill -TERM $$", 143, "killed", "SIGTERM"],
  ["kill -USR1 $$", 138, "failed", "SIGUSR1"],
  ["kill -ABRT $$", 134, "failed", "SIGABRT"],
])("“%s” ends coffer with %i, and the run as %s", async (script, code, state, signal) => {
  using here = place();
  expect((await here.run(script)).code).toBe(code);
  const run = await here.shown();
  expect([run.state, run.signal, run.exit_code]).toEqual([state, signal, signal === null ? code : null]);
  expect(here.leftovers()).toEqual([]);
});

test("a command that cannot start leaves no run, no workspace, no lease and no staging", async () => {
  using here = place();
  await here.run("true");
  const before = filesBelow(here.root, true);
  here.write("plain.txt", "#!/bin/sh\n", 0o644);
  here.write("odd.sh", "#!/no/such/interpreter\n", 0o755);
  here.write("garbage", "\x7fELF\x02\x01\0 not really", 0o755);
  const calls: [words: string[], code: number][] = [
    [["no-such-command-anywhere"], 127],
    [["./missing"], 127],
    [["./odd.sh"], 127],
    [["./plain.txt"], 126],
    [["."], 126],
    [["./garbage"], 126],
    [[""], 127],
  ];
  for (const [words, code] of calls) expect([words, (await here.coffer(["run", "--", ...words])).code]).toEqual([words, code]);
  expect(filesBelow(here.root, true)).toEqual(before);
  expect(await here.runs()).toHaveLength(1);
  using db = new Database(`${here.root}/coffer.db`, { readonly: true });
  expect(db.query("SELECT count(*) AS n FROM leases").get()).toEqual({ n: 0 });
});

test("coffer's own failures before the child are 125, with what to do, and nothing is changed", async () => {
  using here = place();
  const file = here.write("file", "mine");
  const calls: [args: string[], words: RegExp][] = [
    [["run", "--no-such-flag", "--", "true"], /unknown flag --no-such-flag/],
    [["run", "--polcy", "scratch", "--", "true"], /did you mean --policy/],
    [["run", "--policy", "scrach", "--", "true"], /did you mean scratch/],
    [["run", "--"], /there is no command to run/],
    [["run", "true"], /behind “--”/],
    [["run", "--root", file, "--", "true"], /is a file, not a store/],
    [["run", "--root", `${file}/below`, "--", "true"], /cannot be made/],
    [["run", "--input", "no-such-model", "--", "true"], /nothing is called “no-such-model”/],
    [["run", "--register", "a/b=x", "--", "true"], /not a name/],
    [["run", "--register", "m=../x", "--", "true"], /not a path inside a run/],
    [["run", "--param", "novalue", "--", "true"], /--param key=value/],
    [["run", "--config", "missing.yaml", "--", "true"], /missing\.yaml/],
  ];
  for (const [args, words] of calls) {
    const result = await here.coffer(args);
    expect([args.join(" "), result.code]).toEqual([args.join(" "), 125]);
    expect(result.stderr).toMatch(words);
  }
  expect(readFileSync(file, "utf8")).toBe("mine");
  expect(await here.runs().catch(() => [])).toEqual([]);
});

test("a database of a newer coffer is refused with 125, and not touched", async () => {
  using here = place();
  await here.run("true");
  {
    using db = new Database(`${here.root}/coffer.db`);
    db.run("PRAGMA user_version = 999");
    db.run("PRAGMA journal_mode = DELETE");
  }
  const before = readFileSync(`${here.root}/coffer.db`);
  const result = await here.run("touch started");
  expect(result.code).toBe(125);
  expect(result.stderr).toContain("newer coffer");
  expect(readFileSync(`${here.root}/coffer.db`).equals(before)).toBe(true);
  expect(readdirSync(here.root)).not.toContain("coffer.db-wal");
  expect(existsSync(here.at("started"))).toBe(false);
});

test("--untracked-ok runs the command all the same where the store cannot be used, and only there", async () => {
  using here = place();
  here.write("file", "");
  const env = { COFFER_ROOT: here.at("file") };
  const tracked = await here.run("echo ran; exit 5", ["--untracked-ok"], { env });
  expect([tracked.code, tracked.stdout]).toEqual([5, "ran\n"]);
  expect(tracked.stderr).toContain("not tracked");
  expect((await here.run("echo id=$COFFER_RUN_ID", ["--untracked-ok"], { env })).stdout).toBe("id=\n");
  expect((await here.coffer(["run", "--untracked-ok", "--", "no-such-command"], { env })).code).toBe(127);
  expect((await here.run("touch started", ["--untracked-ok", "--input", "nothing"])).code).toBe(125);
  expect(existsSync(here.at("started"))).toBe(false);
});

test("--untracked-ok also serves where only the workspace cannot be made", async () => {
  using here = place();
  here.write("file", "");
  const env = { CORE_ARTIFACT_ROOT: here.at("file") };
  expect((await here.run("true", [], { env })).code).toBe(125);
  expect((await here.run("exit 6", ["--untracked-ok"], { env })).code).toBe(6);
  expect(await here.runs()).toEqual([]);
});

test("what a .env file in the working directory says reaches neither coffer nor the child", async () => {
  using here = place();
  here.write(".env", "LEAKED=yes\nCOFFER_ROOT=/nowhere\nMLFLOW_TRACKING_URI=http://127.0.0.1:1\n");
  const result = await here.run('echo "${LEAKED-nothing} ${MLFLOW_TRACKING_URI-none}"');
  expect([result.code, result.stdout]).toEqual([0, "nothing none\n"]);
});

test("what a run was is recorded: command, times, machine, resources, name, note, params and tags", async () => {
  using here = place();
  const before = Date.now();
  await here.run(
    "sleep 0.05; head -c 150000000 /dev/zero | tail -c 150000000 >/dev/null; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
    ["--name", "nightly", "--note", "a try", "--param", "lr=0.1", "--param", "note=a=b", "--tag", "team=vision"],
  );
  const run = await here.shown();
  expect([run.name, run.note, run.params, run.tags]).toEqual(["nightly", "a try", { lr: "0.1", note: "a=b" }, { team: "vision" }]);
  expect(run.command?.slice(0, 2)).toEqual(["sh", "-c"]);
  expect(Date.parse(run.started_at)).toBeGreaterThanOrEqual(before);
  expect(run.seconds).toBeGreaterThanOrEqual(0.05);
  expect(run.resources.cpu_user_ms).toBeGreaterThan(0);
  expect(run.resources.max_rss).toBeGreaterThan(150_000_000);
  expect(run.host).not.toBe("");
  expect(run.user).not.toBe("");
});

test("secrets of the command line and of the environment are not recorded", async () => {
  using here = place();
  const env = { WANDB_API_KEY: "abcdef0123456789", CUDA_VISIBLE_DEVICES: "3" };
  await here.coffer(
    [
      "run",
      "--",
      "sh",
      "-c",
      "true",
      "x",
      "--token",
      "hunter2000",
      "--api-key=hunter3000",
      "https://me:hunter4000@host/x",
      "abcdef0123456789",
    ],
    { env },
  );
  const run = await here.shown();
  expect(JSON.stringify(run)).not.toMatch(/hunter|abcdef0123456789/);
  expect(JSON.stringify(run.environment)).toContain('"CUDA_VISIBLE_DEVICES":"3"');
  const manifest = readFileSync(`${here.root}/manifests/${run.id}.yaml`, "utf8");
  expect(manifest).toContain(run.id);
  expect(manifest).not.toMatch(/hunter|abcdef0123456789/);
  expect(readFileSync(`${here.root}/coffer.db`, "latin1")).not.toMatch(/hunter|abcdef0123456789/);
});

test("a child that removes the whole store keeps its exit code", async () => {
  using here = place();
  const result = await here.run('rm -rf "$COFFER_ROOT"; exit 9');
  expect(result.code).toBe(9);
  expect(result.stderr).toContain("could not be stored");
});

test("eight runs at once on one store that none of them has made yet", async () => {
  using here = place();
  const results = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      here.run(`echo ${index} >$W/out; cat $W/out; exit ${index % 2}`, ["--register", "m=out", "--keep-failed"]),
    ),
  );
  expect(results.map(({ code, stdout }) => `${code} ${stdout}`)).toEqual(
    Array.from({ length: 8 }, (_, index) => `${index % 2} ${index}\n`),
  );
  const versions = (await here.coffer(["ls", "--name", "m", "--json"]))
    .json<{ artifacts: { version: number }[] }>()
    .artifacts.map(({ version }) => version);
  expect(versions.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(here.leftovers()).toEqual([]);
  expect((await here.coffer(["verify"])).code).toBe(0);
});

test("--json prints one document on stdout: what the command prints there is shown on stderr", async () => {
  using here = place();
  const result = await here.run("echo to stdout; echo to stderr >&2; exit 4", ["--json", "--quiet"]);
  expect(result.code).toBe(4);
  const document = result.json<{ schema: string; id: string; state: string; exit_code: number }>();
  expect([document.schema, document.state, document.exit_code]).toEqual(["coffer.run/1", "failed", 4]);
  expect(result.stderr).toBe("to stdout\nto stderr\n");
  expect(await here.bytes(`${document.id}/output.log`)).toBe("to stdout\nto stderr\n");
});

test("with --quiet coffer says nothing where nothing went wrong", async () => {
  using here = place();
  writeFileSync(here.at("in"), "");
  expect((await here.run("echo x >$W/x", ["--quiet", "--policy", "scratch"])).stderr).toBe("");
});

test("what the command logged itself is counted at the end, apart from what its workspace held", async () => {
  using here = place();
  here.write("eval.txt", "1234");
  const { stderr } = await here.run(`echo x >$W/x; "${binary()}" log eval.txt --name eval --quiet`, ["--policy", "separated"]);
  expect(stderr).toMatch(/finished: 1 output, 2 B; 1 artifact logged before, 4 B; the store grew by [0-9]+ B at the end\n/);
});
