import { expect, test } from "bun:test";
import { dirname } from "node:path";
import { binary, spawnCoffer } from "../support/coffer.ts";
import { events, paths, place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

const WITH_COFFER = { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } };

async function inSight(here: Place): Promise<string[]> {
  const { artifacts } = (await here.coffer(["ls", "--json"])).json<{ artifacts: { ref: string; type: string; run: string }[] }>();
  return artifacts
    .filter(({ type }) => type !== "log")
    .map(({ ref, run }) => ref.replace(run, "RUN"))
    .toSorted();
}

test("a failing run leaves nothing of its own in sight: outputs, versions and aliases, logged or found", async () => {
  using here = place();
  await here.run("echo one >$W/m", ["--register", "model=m"]);
  const result = await here.run(
    "cd $W; echo two >m; echo x >x; echo l >l; coffer log l --name logged >&2; coffer alias logged best >&2; echo printed; exit 3",
    ["--register", "model=m"],
    WITH_COFFER,
  );
  expect(result.code).toBe(3);
  expect(await inSight(here)).toEqual(["model@v1"]);
  const failed = await here.shown();
  expect(failed.artifacts.map(({ path, state }) => `${path} ${state}`).toSorted()).toEqual([
    "l withdrawn",
    "m withdrawn",
    "stderr.log live",
    "stdout.log live",
    "x withdrawn",
  ]);
  expect(await here.bytes("model")).toBe("one\n");
  for (const ref of ["logged", "logged@best", "logged@v1", "model@v2", `${failed.id}/x`])
    expect([ref, (await here.coffer(["get", ref])).code]).toEqual([ref, 4]);
  // each is named on stderr and among the events
  for (const shown of ["logged@v1", "model@v2", "x"]) {
    expect(result.stderr).toContain(`withdrawn, since the run failed: ${shown}\n`);
    expect(events(failed, "withdrawn")).toContain(`${shown}: the run failed`);
  }
  expect(await here.bytes(`${failed.id}/stdout.log`)).toBe("printed\n");
});

test("restore brings back what a failing run registered", async () => {
  using here = place();
  await here.run(
    "cd $W; echo two >m; echo x >x; coffer log x --as l --name logged >&2; coffer alias logged best >&2; exit 3",
    ["--register", "model=m"],
    WITH_COFFER,
  );
  const { id } = await here.shown();
  expect((await here.coffer(["restore", id])).code).toBe(0);
  expect(await inSight(here)).toEqual(["RUN/x", "logged@v1", "model@v1"]);
  expect(await here.bytes("logged@best")).toBe("x\n");
});

test("a version that a failing run was given is not given again", async () => {
  using here = place();
  for (const code of [0, 1, 0]) await here.run(`echo ${code} >$W/m; exit ${code}`, ["--register", "model=m"]);
  expect(await inSight(here)).toEqual(["model@v1", "model@v3"]);
});

test("--keep-failed keeps all of it in sight", async () => {
  using here = place();
  const result = await here.run(
    "echo two >$W/m; coffer log $W/m --name logged >&2; exit 3",
    ["--register", "model=m", "--keep-failed"],
    WITH_COFFER,
  );
  expect([result.code, await inSight(here)]).toEqual([3, ["logged@v1", "model@v1"]]);
  expect(result.stderr).not.toContain("withdrawn");
});

test("bytes that a failing run shares with an earlier one stay with that one", async () => {
  using here = place();
  await here.run("head -c 300000 /dev/zero >$W/m", ["--register", "model=m"]);
  await here.run("head -c 300000 /dev/zero >$W/m; exit 1", ["--register", "model=m"]);
  expect((await here.coffer(["gc", "--failed-runs", "--grace", "0", "--apply"])).code).toBe(0);
  expect(await here.bytes("model@v1")).toHaveLength(300_000);
  expect((await here.coffer(["verify"])).code).toBe(0);
});

test("without versioning, what a failing run replaced is in sight again, also where it replaced twice", async () => {
  using here = place();
  here.write("coffer.yaml", "artifact_store: {root_path: ./artifacts, versioning_enabled: false}");
  const env = { COFFER_ROOT: "" };
  await here.run("echo one >$W/m", ["--register", "model=m"], { env });
  await here.run("echo two >$W/m", ["--register", "model=m"], { env });
  expect(await inSight(here)).toEqual(["model@v2"]);
  await here.run("cd $W; echo three >m; coffer log m --name model >&2; echo four >m; exit 1", ["--register", "model=m"], {
    env: { ...WITH_COFFER.env, ...env },
  });
  expect(await inSight(here)).toEqual(["model@v2"]);
  expect(await here.bytes("model")).toBe("two\n");
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
  "what was logged before a %s to coffer stays, what was merely found does not",
  async (signal) => {
    using here = place();
    const script =
      'cd $COFFER_WORKSPACE; echo 1 >ckpt; echo p >partial; echo "{\\"acc\\": 1}" >metrics.json; coffer log ckpt --name ckpt --metric loss=1 >&2; echo logged; exec sleep 60';
    const child = spawnCoffer(["run", "--", "sh", "-c", script], { cwd: here.path, env: { ...WITH_COFFER.env, COFFER_ROOT: here.root } });
    for await (const chunk of child.stdout) if (Buffer.from(chunk).includes("logged")) break;
    child.kill(signal);
    const number = { SIGTERM: 15, SIGINT: 2, SIGHUP: 1 }[signal];
    expect(await child.exited).toBe(128 + number);
    const run = await here.shown();
    expect([run.state, run.signal, run.metrics]).toEqual(["killed", signal, { loss: 1, acc: 1 }]);
    expect(await inSight(here)).toEqual(["ckpt@v1"]);
    expect(paths(run, "withdrawn")).toEqual(["metrics.json", "partial"]);
  },
);

test("a child that answers a SIGTERM with an error of its own was stopped; one that answers with 0 was done", async () => {
  using here = place();
  for (const [code, state] of [
    [12, "killed"],
    [0, "finished"],
  ] as const) {
    const child = spawnCoffer(["run", "--", "sh", "-c", `trap "exit ${code}" TERM; echo ready; while :; do sleep 0.01; done`], {
      cwd: here.path,
      env: { COFFER_ROOT: here.root },
    });
    for await (const chunk of child.stdout) if (Buffer.from(chunk).includes("ready")) break;
    child.kill("SIGTERM");
    expect(await child.exited).toBe(code);
    const run = await here.shown();
    expect([run.state, run.exit_code]).toEqual([state, code]);
  }
});

test("a run that somebody stopped does not wait long for a server that is away", async () => {
  using here = place();
  const child = spawnCoffer(["run", "--", "sh", "-c", "echo ready; exec sleep 60"], {
    cwd: here.path,
    env: { COFFER_ROOT: here.root, MLFLOW_TRACKING_URI: "http://127.0.0.1:1" },
  });
  for await (const chunk of child.stdout) if (Buffer.from(chunk).includes("ready")) break;
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  const said = await child.stderr.text();
  expect(said).toContain("not delivered to MLflow yet: http://127.0.0.1:1: nobody listens there (ECONNREFUSED)\n");
  // from two seconds on it would say how long it waits
  expect(said).not.toContain("first answer");
  expect(said).toContain("coffer sync-mlflow sends what is left");
});
