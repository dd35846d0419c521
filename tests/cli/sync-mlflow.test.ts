import { expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DeliveryReport } from "../../src/sync/report.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { ask, seenOn, short } from "../support/told.ts";
import { coffer, spawnCoffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { mlflow, needsMlflow, readArtifact, readBack } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

const live = needsMlflow(test);
const QUICK = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };

interface Wrapped {
  id: string;
  result: CofferResult;
}

/** `coffer run` of a line of shell; what it is told goes into its environment. */
async function wrap(root: TemporaryRoot, line: string, env: Record<string, string> = {}, flags: string[] = []): Promise<Wrapped> {
  const result = await coffer(["run", "--json", ...flags, "--", "sh", "-c", line], {
    root: root.at("store"),
    cwd: root.path,
    env: { ...QUICK, ...env },
  });
  return { id: result.json<{ id: string }>().id, result };
}

function sync(root: TemporaryRoot, uri: string, words: string[] = []): Promise<CofferResult> {
  return coffer(["sync-mlflow", ...words], {
    root: root.at("store"),
    cwd: root.path,
    env: { ...QUICK, MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: "commands" },
  });
}

const TRAIN = `cd "$COFFER_WORKSPACE"; echo weights >model.bin; mkdir plots; echo png >plots/roc.png; echo '{"loss": NaN, "acc": 0.5}' >metrics.json; echo '{"lr": 0.1}' >params.json`;

live(
  "what ran before a server was named is delivered by sync-mlflow, read by MLflow's own client; the second time nothing is asked",
  async () => {
    using root = temporaryRoot();
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
    const good = await wrap(root, TRAIN);
    const bad = await wrap(root, "echo before >$COFFER_WORKSPACE/o; exit 3");
    const plan = await sync(root, proxy.uri, ["--dry-run"]);
    expect([plan.code, plan.stdout]).toEqual([0, expect.stringContaining(good.id)]);
    expect(proxy.requests).toEqual([]);

    const first = await sync(root, proxy.uri, ["--json"]);
    expect(first.code).toBe(0);
    expect(first.json()).toMatchObject({ schema: "coffer.sync/1", target: proxy.uri, synced: 2, left: 0, stopped: null });
    const [seen, ...more] = await readBack(mlflow.proxied, good.id);
    expect(more).toEqual([]);
    expect(seen).toMatchObject({
      experiment: "commands",
      status: "FINISHED",
      params: { lr: "0.1" },
      artifacts: { "model.bin": 8, "plots/roc.png": 4, "metrics.json": 26, "params.json": 12 },
      metrics: { acc: [[0.5, 0, expect.any(Number)]], loss: [["nan", 0, expect.any(Number)]] },
    });
    expect(Buffer.from(await readArtifact(mlflow.proxied, seen?.run_id as string, "model.bin")).toString()).toBe("weights\n");
    expect((await seenOn(mlflow.proxied.uri, bad))[0]).toMatchObject({ status: "FAILED", artifacts: {} });

    proxy.requests.length = 0;
    const second = await sync(root, proxy.uri);
    expect([second.code, second.stdout, second.stderr]).toEqual([0, "", `coffer: nothing is waiting for ${proxy.uri}\n`]);
    expect(proxy.requests).toEqual([]);
    const check = await sync(root, proxy.uri, ["--check"]);
    expect([check.code, check.stderr]).toEqual([0, "coffer: 2 synced runs looked at; the server has all of it\n"]);
    expect((await coffer(["stats", "--json"], { root: root.at("store") })).json()).toMatchObject({
      uploads: { done: 4, failed: 0, waiting: 0, bytes: 50 },
    });
  },
);

live("coffer killed in the middle of an upload: the next sync makes no second run, and sends only what is missing", async () => {
  using root = temporaryRoot();
  let stalls = true;
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) => (stalls && request.endsWith("/c") ? { stall: true } : undefined));
  // the largest goes first, so c is the third
  const { id } = await wrap(
    root,
    `cd "$COFFER_WORKSPACE"; printf 55555 >a; printf 4444 >b; printf 333 >c; printf 22 >d; echo '{"loss": 1}' >metrics.json`,
  );
  const victim = spawnCoffer(["sync-mlflow", "--jobs", "1"], {
    root: root.at("store"),
    cwd: root.path,
    env: { ...QUICK, MLFLOW_TRACKING_URI: proxy.uri },
  });
  while (!proxy.requests.some((request) => request.endsWith("/c"))) await Bun.sleep(5);
  victim.kill("SIGKILL");
  await victim.exited;
  stalls = false;
  proxy.requests.length = 0;
  const again = await sync(root, proxy.uri);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("is synced")]);
  expect(proxy.requests.map(short).filter((request) => request.startsWith("PUT") || request.endsWith("create"))).toEqual([
    "PUT c",
    "PUT d",
  ]);
  const [seen, ...more] = await seenOn(mlflow.proxied.uri, { id });
  expect(more).toEqual([]);
  expect(seen).toMatchObject({
    status: "FINISHED",
    artifacts: { a: 5, b: 4, c: 3, d: 2, "metrics.json": 12 },
    metrics: { loss: [[0, 1]] },
  });
});

live(
  "a run is delivered when it has ended; a server that refuses is exit 3 with --sync required only, and the child's own code stands",
  async () => {
    using root = temporaryRoot();
    await using closed = await faultyProxy(mlflow.proxied.uri, () => ({ answer: "403 Forbidden" }));
    const env = { MLFLOW_TRACKING_URI: mlflow.proxied.uri };
    const after = await wrap(root, TRAIN, env);
    expect(after.result.stderr).toContain(`delivered to ${mlflow.proxied.uri}/#/experiments/0/runs/`);
    expect((await seenOn(mlflow.proxied.uri, after))[0]).toMatchObject({ status: "FINISHED" });
    const refused = { MLFLOW_TRACKING_URI: closed.uri };
    expect((await wrap(root, "true", refused)).result.code).toBe(0);
    expect((await wrap(root, "true", refused, ["--sync", "required"])).result.code).toBe(3);
    expect((await wrap(root, "exit 7", refused, ["--sync", "required"])).result.code).toBe(7);
    expect((await wrap(root, "true", env, ["--sync", "required"])).result.code).toBe(0);
    closed.requests.length = 0;
    await wrap(root, "true", refused, ["--sync", "never"]);
    expect(closed.requests).toEqual([]);
  },
);

test("where delivery is required and no server is configured, the command does not begin", async () => {
  using root = temporaryRoot();
  const called = (env: Record<string, string>, words: string[] = []) =>
    coffer(["run", ...words, "--", "sh", "-c", "echo begun"], { root: root.at("store"), cwd: root.path, env });
  for (const env of [{}, { MLFLOW_TRACKING_URI: "" }, { MLFLOW_TRACKING_URI: " " }]) {
    const result = await called(env, ["--sync", "required"]);
    expect([result.code, result.stdout]).toEqual([125, ""]);
    expect(result.stderr).toContain("no MLflow server is configured");
    expect(result.stderr).toContain("MLFLOW_TRACKING_URI");
  }
  expect(await called({})).toMatchObject({ code: 0, stdout: "begun\n" });
});

live("on a shared volume the disk holds a large output once", async () => {
  using root = temporaryRoot();
  const { id } = await wrap(root, 'head -c 3000000 /dev/zero >"$COFFER_WORKSPACE/model.bin"');
  const result = await sync(root, mlflow.shared.uri, ["--json"]);
  expect(result.code).toBe(0);
  const how = result.json<DeliveryReport>().runs[0]?.sent.how ?? {};
  expect([[["link", 1]], [["clone", 1]]]).toContainEqual(Object.entries(how) as [string, number][]);
  const [seen] = await readBack(mlflow.shared, id);
  const placed = join(seen?.artifact_uri as string, "model.bin");
  const kept = (await coffer(["get", `${id}/model.bin`], { root: root.at("store") })).stdout.trim();
  // a clone has an inode of its own, and shares the bytes all the same
  expect(statSync(placed).ino === statSync(kept).ino).toBe(how["link"] === 1);
  expect(readFileSync(kept).equals(readFileSync(placed))).toBe(true);
});

live("a password in the tracking URI is used, and neither printed nor kept", async () => {
  using root = temporaryRoot();
  await wrap(root, TRAIN);
  const uri = mlflow.proxied.uri.replace("http://", "http://eve:hunter2@");
  const results = [
    await sync(root, uri, ["--dry-run", "--json"]),
    await sync(root, uri, ["--verbose"]),
    await sync(root, uri, ["--check", "--json"]),
    await wrap(root, "true", { MLFLOW_TRACKING_URI: uri }).then(({ result }) => result),
  ];
  for (const { code, stdout, stderr } of results) {
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain("hunter2");
  }
  for (const entry of readdirSync(root.at("store"), { recursive: true, withFileTypes: true }))
    if (entry.isFile()) expect(readFileSync(join(entry.parentPath, entry.name)).includes("hunter2")).toBe(false);
});

test("a server that is away is exit 3, and all of it waits", async () => {
  using root = temporaryRoot();
  const { id } = await wrap(root, TRAIN);
  const result = await sync(root, "http://127.0.0.1:1", ["--json"]);
  expect(result.code).toBe(3);
  expect(result.json()).toMatchObject({ synced: 0, left: 1, runs: [{ run: id, state: "pending", error: { code: "SERVER_UNREACHABLE" } }] });
  expect(result.stderr).toContain("1 run not wholly delivered");
  expect((await sync(root, "http://127.0.0.1:1", ["--dry-run"])).stdout).toContain(id);
});

test("without a server it says how to name one; an unknown run, a wrong number of jobs and a store that is none are errors", async () => {
  using root = temporaryRoot();
  const none = await sync(root, "");
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("MLFLOW_TRACKING_URI")]);
  expect((await sync(root, "http://127.0.0.1:1")).code).toBe(4);
  await wrap(root, "true");
  expect((await sync(root, "http://127.0.0.1:1", ["feedbeef"])).code).toBe(4);
  for (const jobs of ["0", "many", "1.5"]) {
    const wrong = await sync(root, "http://127.0.0.1:1", ["--jobs", jobs]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("--jobs")]);
  }
  const odd = await sync(root, "sqlite:///x.db");
  expect([odd.code, odd.stderr]).toEqual([2, expect.stringContaining("http or https")]);
});

live("--restore brings back what was deleted on the server, --verify bytes finds other bytes and sends them again", async () => {
  using root = temporaryRoot();
  const { id } = await wrap(root, "echo right >$COFFER_WORKSPACE/a.txt");
  const { uri, artifacts } = mlflow.proxied;
  expect((await sync(root, uri)).code).toBe(0);
  const [seen] = await seenOn(uri, { id });
  await ask(uri, "runs/delete", { run_id: seen?.id });
  const refused = await sync(root, uri, ["--check"]);
  expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining("coffer sync-mlflow --restore")]);
  const restored = await sync(root, uri, ["--restore"]);
  expect([restored.code, restored.stderr]).toEqual([0, expect.stringContaining("was deleted on the server, and is brought back")]);
  writeFileSync(join(artifacts, seen?.experiment as string, seen?.id as string, "artifacts/a.txt"), "wrong\n");
  const verified = await sync(root, uri, ["--verify", "bytes"]);
  expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("the server has other bytes in a.txt: sent again")]);
  expect((await sync(root, uri, ["--verify", "bytes"])).stderr).toContain("the server has all of it");
  expect((await sync(root, uri, ["--verify", "some"])).code).toBe(2);
});
