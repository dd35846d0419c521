import { existsSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import type { DeliveryReport } from "../../src/sync/report.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { seenOn } from "../support/told.ts";
import type { SeenRun } from "../support/told.ts";
import { binary, coffer, spawnCoffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

const live = needsMlflow(test);
const QUICK = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };

/** A run that goes on until the file `go` is there; `first` is a line of shell before that, `last` one after it. */
async function begin(
  root: TemporaryRoot,
  { first = "true", last = "true", flags = [] as string[], env = {} as Record<string, string> } = {},
) {
  const line = `set -e; ${first.replaceAll("coffer ", `${binary()} `)}; touch begun; until [ -e go ]; do sleep 0.05; done; ${last.replaceAll("coffer ", `${binary()} `)}`;
  const child = spawnCoffer(["run", "--json", ...flags, "--", "sh", "-c", line], {
    root: root.at("store"),
    cwd: root.path,
    env: { ...QUICK, ...env },
  });
  await until(() => existsSync(root.at("begun")));
  const [{ id }] = (await coffer(["runs", "--json"], { root: root.at("store") })).json<{ runs: [{ id: string }] }>().runs;
  return {
    id,
    child,
    log: async (...words: string[]) =>
      expect((await coffer(["log", "--run", id, ...words], { root: root.at("store"), cwd: root.path })).code).toBe(0),
    async end(): Promise<number | null> {
      writeFileSync(root.at("go"), "");
      await child.exited;
      return child.exitCode;
    },
  };
}

function watch(root: TemporaryRoot, uri: string, ...words: string[]) {
  const child = spawnCoffer(["sync-mlflow", "--watch", "--interval", "100ms", "--json", ...words], {
    root: root.at("store"),
    cwd: root.path,
    env: { ...QUICK, MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: "watched" },
  });
  const ended = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async end() {
      const [stdout, stderr] = await ended;
      return { code: child.exitCode, stderr, report: stdout === "" ? undefined : (JSON.parse(stdout) as DeliveryReport) };
    },
  };
}

async function until<T>(look: () => T | Promise<T>): Promise<T & {}> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await Bun.sleep(50);
  }
}

/** The one run on the server, once it is as wanted. */
function seen(id: string, wanted: (run: SeenRun) => boolean): Promise<SeenRun> {
  return until(async () => {
    const found = await seenOn(mlflow.proxied.uri, { id });
    expect(found.length).toBeLessThanOrEqual(1);
    return found.find(wanted);
  });
}

live("what a run logs is on the server before it has ended, each point once; then its outputs and its end", async () => {
  using root = temporaryRoot();
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  // the wrapper knows no server: nobody but the watch tells of it
  const run = await begin(root, {
    first: "coffer log --param lr=0.1 --metric loss=1@1; echo c >ck.bin; coffer log ck.bin --as checkpoint.bin",
    last: 'echo m >"$COFFER_WORKSPACE/model.bin"',
  });
  const watching = watch(root, proxy.uri);
  // the page is read in several requests, and files come after points
  const first = await seen(run.id, ({ artifacts, metrics }) => "checkpoint.bin" in artifacts && "loss" in metrics);
  expect(first).toMatchObject({ status: "RUNNING", params: { lr: "0.1" }, metrics: { loss: [[1, 1]] } });
  await run.log("--metric", "loss=0.5@2", "--metric", "acc=0.7@2", "--tag", "stage=late");
  const second = await seen(run.id, ({ metrics, tags }) => "acc" in metrics && "stage" in tags);
  expect(second).toMatchObject({
    status: "RUNNING",
    metrics: {
      loss: [
        [1, 1],
        [2, 0.5],
      ],
      acc: [[2, 0.7]],
    },
    tags: { stage: "late" },
  });
  // all points went out, and none of them twice
  expect(proxy.requests.filter((request) => request.endsWith("/runs/log-batch")).length).toBeLessThanOrEqual(5);
  expect(await run.end()).toBe(0);
  const { code, report, stderr } = await watching.end();
  expect([code, report]).toMatchObject([
    0,
    { synced: 1, left: 0, stopped: null, runs: [{ run: run.id, state: "synced", sent: { params: 1, metrics: 3, files: 3 } }] },
  ]);
  expect(stderr).toContain(`run ${run.id} is followed: ${proxy.uri}/#/experiments/`);
  // all that this watch has sent, at the end
  expect(stderr).toContain(`run ${run.id} is synced: 1 param, 3 metric points, 3 files (`);
  expect(await seen(run.id, ({ status }) => status === "FINISHED")).toMatchObject({
    artifacts: { "checkpoint.bin": 2, "model.bin": 2 },
    metrics: {
      loss: [
        [1, 1],
        [2, 0.5],
      ],
      acc: [[2, 0.7]],
    },
  });
  proxy.requests.length = 0;
  const after = await watch(root, proxy.uri).end();
  expect([after.code, after.report?.runs, proxy.requests]).toEqual([0, [], []]);
  expect(after.stderr).toEndWith("and no run goes on; --stay waits for one\n");
});

live("a run that its wrapper delivers and somebody watches is there once, whoever is faster", async () => {
  using root = temporaryRoot();
  const env = { MLFLOW_TRACKING_URI: mlflow.proxied.uri };
  const run = await begin(root, { first: "coffer log --metric loss=1", flags: ["--sync", "required"], env });
  const watching = watch(root, mlflow.proxied.uri);
  await seen(run.id, ({ metrics }) => "loss" in metrics);
  expect(await run.end()).toBe(0);
  const { code, report } = await watching.end();
  expect([code, report?.left]).toEqual([0, 0]);
  expect(await seen(run.id, ({ status }) => status === "FINISHED")).toMatchObject({ metrics: { loss: [[0, 1]] } });
});

live("signals end a watch with 130 and 143, killing it loses nothing: whoever comes next tells the rest, and the end", async () => {
  using root = temporaryRoot();
  const run = await begin(root, { first: "coffer log --metric loss=1@1" });
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGKILL", null],
  ] as const) {
    const watching = watch(root, mlflow.proxied.uri);
    await run.log("--metric", `${signal}=1`);
    await seen(run.id, ({ metrics }) => signal in metrics);
    await run.log("--metric", `after-${signal}=1`);
    watching.kill(signal);
    const ended = await watching.end();
    expect(ended.code).toBe(code);
    if (code !== null) expect(ended.report?.runs[0]).toMatchObject({ run: run.id, state: "running" });
  }
  expect(await run.end()).toBe(0);
  const rest = await coffer(["sync-mlflow"], {
    root: root.at("store"),
    cwd: root.path,
    env: { ...QUICK, MLFLOW_TRACKING_URI: mlflow.proxied.uri },
  });
  expect([rest.code, rest.stderr]).toEqual([0, expect.stringContaining(`run ${run.id} is synced`)]);
  const there = await seen(run.id, ({ status }) => status === "FINISHED");
  expect(Object.keys(there.metrics).toSorted()).toEqual([
    "SIGINT",
    "SIGKILL",
    "SIGTERM",
    "after-SIGINT",
    "after-SIGKILL",
    "after-SIGTERM",
    "loss",
  ]);
});

live("a server that goes away is waited for, and then gets what it missed", async () => {
  using root = temporaryRoot();
  let away = false;
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => (away ? { reset: "before" } : undefined));
  const run = await begin(root, { first: "coffer log --metric loss=1@1" });
  const watching = watch(root, proxy.uri);
  await seen(run.id, ({ metrics }) => "loss" in metrics);
  away = true;
  await run.log("--metric", "loss=2@2");
  const tried = proxy.requests.length;
  await until(() => proxy.requests.length > tried + 1);
  expect(await run.end()).toBe(0);
  away = false;
  expect(await seen(run.id, ({ status }) => status === "FINISHED")).toMatchObject({
    metrics: {
      loss: [
        [1, 1],
        [2, 2],
      ],
    },
  });
  const { code, report, stderr } = await watching.end();
  expect([code, report]).toMatchObject([0, { synced: 1, left: 0, stopped: null }]);
  expect(stderr).toContain("everything is kept, the next try comes in");
});

live("a watch ends when the run's wrapper was killed, and tells that", async () => {
  using root = temporaryRoot();
  const run = await begin(root, { first: "coffer log --metric loss=1@1" });
  const watching = watch(root, mlflow.proxied.uri);
  await seen(run.id, ({ metrics }) => "loss" in metrics);
  run.child.kill("SIGKILL");
  writeFileSync(root.at("go"), "");
  const { code, stderr } = await watching.end();
  expect([code, stderr]).toEqual([0, expect.stringContaining(`adopted run ${run.id}`)]);
  expect((await seenOn(mlflow.proxied.uri, run))[0]).toMatchObject({ status: "KILLED", metrics: { loss: [[1, 1]] } });
});

live("what the server refuses of a run does not keep the rest back, and is exit 3 in the end", async () => {
  using root = temporaryRoot();
  const run = await begin(root, { first: "coffer log --param lr=1" });
  const watching = watch(root, mlflow.proxied.uri);
  await seen(run.id, ({ params }) => "lr" in params);
  await run.log("--param", "lr=2", "--metric", "late=1");
  await seen(run.id, ({ metrics }) => "late" in metrics);
  await run.end();
  const { code, report, stderr } = await watching.end();
  expect([code, report]).toMatchObject([3, { left: 1, runs: [{ state: "refused", error: { code: "SERVER_REFUSED" } }] }]);
  expect(stderr).toContain("“lr” is “1” on the server, and “2” here");
  expect((await seenOn(mlflow.proxied.uri, run))[0]).toMatchObject({ status: "FINISHED", params: { lr: "1" } });
});

live("a watch does not wait for a server that lets nobody in, once no run goes on", async () => {
  using root = temporaryRoot();
  await using closed = await faultyProxy(mlflow.proxied.uri, () => ({ answer: "401 Unauthorized" }));
  const run = await begin(root);
  const watching = watch(root, closed.uri);
  await until(() => closed.requests.length > 1);
  await run.end();
  const { code, report } = await watching.end();
  expect([code, report]).toMatchObject([
    3,
    { left: 1, synced: 0, runs: [{ run: run.id, state: "refused", error: { code: "SERVER_REFUSED" } }] },
  ]);
});

live("filters narrow a watch; with --stay it waits for the next run until it is interrupted", async () => {
  using root = temporaryRoot();
  const other = (await coffer(["run", "--json", "--", "true"], { root: root.at("store"), cwd: root.path })).json<{ id: string }>().id;
  const watching = watch(root, mlflow.proxied.uri, "--stay", "--pipeline", "churn");
  const run = await begin(root, { first: "coffer log --metric loss=1", flags: ["--pipeline", "churn"] });
  await seen(run.id, ({ metrics }) => "loss" in metrics);
  await run.end();
  await seen(run.id, ({ status }) => status === "FINISHED");
  watching.kill("SIGINT");
  const { code, report } = await watching.end();
  expect([code, report?.runs.map((one) => one.run)]).toEqual([130, [run.id]]);
  expect(await seenOn(mlflow.proxied.uri, { id: other })).toEqual([]);
});
