import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { says } from "../support/appears.ts";
import { binary } from "../support/coffer.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { events, paths, place } from "./run-place.ts";

const SCRATCH = ["--policy", "scratch"];
const WITH_COFFER = { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } };

test("separated keeps the workspace after success, and after failure", async () => {
  using here = place();
  for (const code of [0, 3]) {
    expect((await here.run(`echo a >$W/a; exit ${code}`)).code).toBe(code);
    const run = await here.shown();
    expect([run.policy, run.workspace_state]).toEqual(["separated", "present"]);
    expect(readFileSync(`${run.workspace}/a`, "utf8")).toBe("a\n");
    // bytes of its own: writing here may not reach the store
    expect(statSync(`${run.workspace}/a`).nlink).toBe(1);
  }
});

test("scratch removes the workspace after success, and every output is readable, with its mode", async () => {
  using here = place();
  const result = await here.run(
    "cd $W; head -c 300000 /dev/urandom >big; cp big ../copy-$COFFER_RUN_ID; echo small >small; mkdir -p d/e; echo 1 >d/e/1; chmod 755 small; mkdir empty",
    SCRATCH,
  );
  expect(result.code).toBe(0);
  expect(result.stderr).toContain("the workspace was removed");
  const run = await here.shown();
  expect([run.workspace_state, existsSync(run.workspace as string)]).toEqual(["removed", false]);
  expect(paths(run)).toEqual(["big", "d", "empty", "small"]);
  const big = (await here.coffer(["get", `${run.id}/big`])).stdout.trim();
  expect(readFileSync(big).equals(readFileSync(join(dirname(run.workspace as string), `copy-${run.id}`)))).toBe(true);
  expect((await here.artifact(`${run.id}/small`)).mode).toBe("0755");
  for (const file of here.binaries())
    expect([file, statSync(`${here.root}/binaries/${file}`).mode & 0o777, statSync(`${here.root}/binaries/${file}`).nlink]).toEqual([
      file,
      0o444,
      1,
    ]);
  expect((await here.coffer(["verify"])).code).toBe(0);
  expect(here.leftovers()).toEqual([]);
});

test("scratch keeps the workspace complete after a failure, and prints where it is", async () => {
  using here = place();
  const result = await here.run("cd $W; echo a >a; mkdir d; echo b >d/b; exit 1", SCRATCH);
  const run = await here.shown();
  expect([result.code, run.workspace_state]).toEqual([1, "present"]);
  expect(result.stderr).toContain(run.workspace as string);
  expect(filesBelow(run.workspace as string)).toEqual(["a", "d/b"]);
  expect(statSync(`${run.workspace}/a`).nlink).toBe(1);
});

test.each([
  ["an --output pattern that matches nothing", "modle*", "model.bin", "--output modle\\* matched nothing"],
  ["a file of coffer's own name", "*", ".coffer-end.json", "\\.coffer-end\\.json: coffer keeps this name for itself"],
])("%s keeps the workspace of a scratch run", async (_, pattern, file, words) => {
  using here = place();
  const result = await here.run(`echo precious >$W/${file}`, [...SCRATCH, "--output", pattern]);
  expect(result.stderr).toMatch(new RegExp(`${words}[^]*the workspace stays as it is`));
  const run = await here.shown();
  expect([result.code, run.workspace_state, paths(run), events(run, "not-stored")]).toEqual([
    0,
    "present",
    [],
    [expect.stringMatching(new RegExp(words))],
  ]);
  expect(readFileSync(`${run.workspace}/${file}`, "utf8")).toBe("precious\n");
});

test.each([0, 1])("--retain stays in either case (exit %i), with bytes of its own", async (code) => {
  using here = place();
  await here.run(`cd $W; echo l >train.log; mkdir keep d; echo k >keep/k; echo i >d/in.log; echo g >d/gone; exit ${code}`, [
    ...SCRATCH,
    "--retain",
    "*.log",
    "--retain",
    "keep",
  ]);
  const run = await here.shown();
  expect(filesBelow(run.workspace as string)).toEqual(
    code === 0 ? ["d/in.log", "keep/k", "train.log"] : ["d/gone", "d/in.log", "keep/k", "train.log"],
  );
  for (const file of ["train.log", "keep/k", "d/in.log"]) expect([file, statSync(`${run.workspace}/${file}`).nlink]).toEqual([file, 1]);
  expect(paths(run, code === 0 ? "live" : "withdrawn")).toEqual(["d", "keep", "train.log"]);
  expect((await here.coffer(["verify"])).code).toBe(0);
});

test("--retain on the command line stands instead of the configured patterns", async () => {
  using here = place();
  await here.run("touch $W/a.log $W/b.keep", [...SCRATCH, "--retain", "*.keep"]);
  expect(readdirSync((await here.shown()).workspace as string)).toEqual(["b.keep"]);
});

test("what the user's own rules leave out goes with the workspace, and is counted", async () => {
  using here = place();
  const result = await here.run("cd $W; mkdir .tmp; head -c 2000 /dev/zero >.tmp/x; echo y >y.bak; echo a >a", [
    ...SCRATCH,
    "--ignore",
    "*.bak",
  ]);
  expect(result.stderr).toMatch(/the workspace was removed; 2 files \(2\.0 KiB\) that your rules leave out went with it/);
  expect(events(await here.shown(), "deleted")[0]).toContain("2 files");
  const other = await here.run("cd $W; echo a >a; echo b >b", [...SCRATCH, "--output", "a"]);
  expect(other.stderr).toContain("1 file (2 B) that your rules leave out went with it");
});

test("something that could not be stored keeps all of the workspace, with bytes of its own", async () => {
  using here = place();
  here.write("outside", "x");
  for (const trouble of [
    `ln -s ${here.at("outside")} leak`,
    `mkdir d; head -c 200000 /dev/urandom >d/large; ln -s ${here.at("outside")} d/leak`,
  ]) {
    const result = await here.run(`cd $W; echo a >a; head -c 200000 /dev/urandom >large; ${trouble}`, SCRATCH);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("the workspace stays as it is");
    const run = await here.shown();
    expect([run.state, run.workspace_state]).toEqual(["finished", "present"]);
    for (const file of filesBelow(run.workspace as string).filter((name) => !name.includes("leak")))
      expect([file, statSync(`${run.workspace}/${file}`).nlink]).toEqual([file, 1]);
    await Bun.write(`${run.workspace}/large`, "written by somebody later");
  }
  expect((await here.coffer(["verify"])).code).toBe(0);
  expect(here.leftovers()).toEqual([]);
});

test("a file with a second link is copied, and so is one that a process left behind still writes to", async () => {
  using here = place();
  mkdirSync(here.at("elsewhere"));
  here.write("elsewhere/model", "shared");
  const result = await here.run(
    `cd $W; ln ${here.at("elsewhere/model")} model; exec 9>open.bin; echo first >&9; (while [ ! -e ${here.at("go")} ]; do sleep 0.02; done; echo second >&9) >/dev/null 2>&1 &`,
    SCRATCH,
  );
  expect(result.code).toBe(0);
  const run = await here.shown();
  here.write("go", "");
  await Bun.write(here.at("elsewhere/model"), "changed");
  await Bun.sleep(100);
  expect(await here.bytes(`${run.id}/model`)).toBe("shared");
  expect(await here.bytes(`${run.id}/open.bin`)).toBe("first\n");
  expect((await here.coffer(["verify"])).code).toBe(0);
});

test("nor does a process write into the store that took a file along where no look at the run's processes finds it", async () => {
  using here = place();
  // its parents are gone, and its environment is empty
  const stranger = `exec 9<>big; : >${here.at("ready")}; while [ ! -e ${here.at("go")} ]; do sleep 0.02; done; echo CORRUPTED >&9; echo done >${here.at("done")}`;
  const leave = `(env -i PATH="$PATH" setsid sh -c '${stranger}' >/dev/null 2>&1 &)`;
  const result = await here.run(
    `cd $W; head -c 200000 /dev/zero >big; ${leave}; while [ ! -e ${here.at("ready")} ]; do sleep 0.01; done`,
    SCRATCH,
  );
  expect(result.stderr).toContain("the workspace was removed");
  here.write("go", "");
  await says(here.at("done"));
  expect((await here.coffer(["verify"])).code).toBe(0);
});

test("what comes after the outputs were read stays in the workspace", async () => {
  using here = place();
  const late = 'i=0; while [ $i -lt 300 ]; do echo $i >"$W/late-$i"; i=$((i+1)); sleep 0.002; done';
  await here.run(`echo a >$W/a; (${late}) >/dev/null 2>&1 &\nsleep 0.1`, SCRATCH);
  const run = await here.shown();
  const stored = new Set(paths(run));
  await Bun.sleep(1000);
  const left = existsSync(run.workspace as string) ? readdirSync(run.workspace as string) : [];
  expect(stored.has("a")).toBe(true);
  // each file is in one of the two places (the last ones only when the directory was still there to take them)
  const highest = Math.max(...[...stored, ...left].map((name) => Number(/^late-(\d+)$/.exec(name)?.[1] ?? -1)));
  for (let index = 0; index <= highest; index++) expect(stored.has(`late-${index}`) || left.includes(`late-${index}`)).toBe(true);
});

test("the same output again needs no second copy, and the workspace goes all the same", async () => {
  using here = place();
  for (let round = 0; round < 3; round++) await here.run("cd $W; yes line | head -c 400000 >big; mkdir d; cp big d/big", SCRATCH);
  expect(here.binaries().filter((file) => statSync(`${here.root}/binaries/${file}`).size === 400_000)).toHaveLength(1);
  expect((await here.runs()).map(({ state }) => state)).toEqual(["finished", "finished", "finished"]);
  expect(readdirSync(`${here.root}/work/runs`)).toEqual([]);
});

test("what was logged during the run is kept as well as what the workspace held at its end", async () => {
  using here = place();
  await here.run(
    "cd $W; echo 1 >ckpt; coffer log ckpt --name ckpt >&2; echo 2 >ckpt; coffer log ckpt --name ckpt >&2; rm ckpt; echo end >end",
    SCRATCH,
    WITH_COFFER,
  );
  expect([await here.bytes("ckpt@v1"), await here.bytes("ckpt@v2")]).toEqual(["1\n", "2\n"]);
  expect(existsSync((await here.shown()).workspace as string)).toBe(false);
});

test("the workspace on another file system is copied from, and removed", async () => {
  using here = place();
  const other = `/dev/shm/coffer-test-${process.pid}`;
  mkdirSync(other);
  try {
    const result = await here.run("cd $W; head -c 200000 /dev/urandom >big; echo a >a", SCRATCH, { env: { CORE_ARTIFACT_ROOT: other } });
    expect([result.code, result.stderr]).toEqual([0, expect.stringContaining("the workspace was removed")]);
    expect(readdirSync(`${other}/runs`)).toEqual([]);
    expect((await here.artifact(`${(await here.shown()).id}/big`)).size).toBe(200_000);
  } finally {
    Bun.spawnSync(["rm", "-r", other]);
  }
});

const mounted = needsMount(test);

mounted("bytes that no longer fit: the workspace stays complete, the child's code stands, and it is reported and recorded", async () => {
  using here = place();
  await here.run("true");
  const before = (await here.runs()).length;
  mkdirSync(`${here.root}/binaries`, { recursive: true });
  // the bytes fit into staging, which lies on another disk than binaries: the last step fails
  for (const [policy, full] of [
    ["scratch", "binaries"],
    ["separated", "tmp"],
  ] as const) {
    using _ = mountSmall(`${here.root}/${full}`, "300k");
    const result = await here.run(
      "cd $W; echo said; head -c 2000000 /dev/urandom >big; echo a >a; echo '{\"acc\": 1}' >metrics.json; exit 0",
      ["--policy", policy, "--register", "kept=big"],
    );
    expect([policy, result.code, result.stderr]).toEqual([policy, 0, expect.stringContaining("the outputs could not be stored")]);
    const run = await here.shown();
    expect(result.stderr).toContain(`the workspace stays as it is: ${run.workspace}`);
    expect([run.state, run.exit_code, run.workspace_state, run.metrics]).toEqual(["finished", 0, "present", { acc: 1 }]);
    expect(events(run, "not-stored")).toHaveLength(1);
    expect(filesBelow(run.workspace as string)).toEqual(["a", "big", "metrics.json", "stdout.log"]);
    expect(readFileSync(`${run.workspace}/stdout.log`, "utf8")).toBe("said\n");
    expect(paths(run)).toEqual([]);
    expect(statSync(`${run.workspace}/big`).nlink).toBe(1);
    expect(result.stderr).toContain(`coffer: run ${run.id} finished: none of its outputs is stored`);
    expect(result.stderr).toContain(`coffer log --run ${run.id} --name kept '${run.workspace}/big'\n`);
  }
  expect(await here.runs()).toHaveLength(before + 2);
  // others see it too, and what was said to do does it
  const { id, workspace } = await here.shown();
  expect((await here.coffer(["runs", "--limit", "1"])).stdout).toContain("finished, not all stored");
  expect((await here.coffer(["ls", "--run", id])).stderr).toContain(`coffer show ${id} tells why`);
  expect((await here.coffer(["restore", id])).stderr).toContain(`coffer log --run ${id}`);
  expect((await here.coffer(["log", "--run", id, "--name", "kept", `${workspace}/big`])).code).toBe(0);
  expect(statSync(await here.coffer(["get", "kept"]).then(({ stdout }) => stdout.trim())).size).toBe(2_000_000);
  expect(here.leftovers()).toEqual([]);
});

mounted("a store that takes nothing at all any more: the child's code stands, and the next command learns how the run ended", async () => {
  using here = place();
  const store = here.at("small");
  const env = { COFFER_ROOT: store, CORE_ARTIFACT_ROOT: here.at("work") };
  using disk = mountSmall(store, "4m");
  for (const [code, state] of [
    [0, "finished"],
    [7, "failed"],
  ] as const) {
    const result = await here.run(
      `echo kept >$W/out; echo '{"acc": 2}' >$W/metrics.json; cat /dev/zero >${store}/filler 2>/dev/null; exit ${code}`,
      SCRATCH,
      { env },
    );
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining("the store takes nothing at all")]);
    Bun.spawnSync(["rm", `${store}/filler`]);
    const adopting = await here.coffer(["runs", "--json"], { env });
    expect(adopting.stderr).toContain(`it is ${state}`);
    const [newest] = adopting.json<{ runs: { id: string; state: string; exit_code: number }[] }>().runs;
    expect([newest?.state, newest?.exit_code]).toEqual([state, code]);
    const run = (await here.coffer(["show", newest?.id as string, "--json"], { env })).json<Awaited<ReturnType<typeof here.shown>>>();
    expect([run.adopted, run.metrics, run.workspace_state]).toEqual([true, { acc: 2 }, "present"]);
    expect(events(run, "not-stored")).toHaveLength(1);
    expect(filesBelow(run.workspace as string)).toEqual(["metrics.json", "out"]);
  }
  expect(filesBelow(`${store}/tmp`, true)).toEqual([]);
  disk.makeReadOnly();
  const refused = await here.run("touch started", [], { env });
  expect([refused.code, existsSync(here.at("started"))]).toEqual([125, false]);
  expect((await here.run("exit 4", ["--untracked-ok"], { env })).code).toBe(4);
});

mounted("a child that fills the disk of store and workspace keeps its exit code and what it wrote", async () => {
  using here = place();
  const store = here.at("small");
  const env = { COFFER_ROOT: store };
  using _ = mountSmall(store, "6m");
  for (const policy of ["separated", "scratch"]) {
    const result = await here.run(
      "head -c 3000000 /dev/urandom >$W/model; cat /dev/zero >$W/filler 2>/dev/null; exit 3",
      ["--policy", policy],
      { env },
    );
    expect([policy, result.code, result.stderr]).toEqual([policy, 3, expect.stringContaining("could not be stored")]);
    const [workspace] = readdirSync(`${store}/work/runs`).map((id) => `${store}/work/runs/${id}`);
    expect(statSync(`${workspace}/model`).size).toBe(3_000_000);
    Bun.spawnSync(["rm", "-r", workspace as string]);
    const { runs } = (await here.coffer(["runs", "--json"], { env })).json<{ runs: { state: string }[] }>();
    // how it ended was written where there was room for it; a run of which nothing more is known counts as killed
    expect(["failed", "killed"]).toContain(runs[0]?.state as string);
  }
});
