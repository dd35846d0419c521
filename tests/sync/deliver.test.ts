import { expect, test } from "bun:test";
import * as outbox from "../../src/db/delivery/outbox.ts";
import * as runs from "../../src/db/records/runs.ts";
import type { RunRow } from "../../src/db/records/runs.ts";
import { ensureExperiment } from "../../src/mlflow/tracking/experiments.ts";
import { ensureRun } from "../../src/mlflow/tracking/runs.ts";
import { enqueueRun } from "../../src/registry/enqueue.ts";
import { claimRun } from "../../src/sync/pending/claim-run.ts";
import { enqueueMissing } from "../../src/sync/pending/enqueue-missing.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { connectQuickly } from "../support/quick-connection.ts";
import { mlflow, needsMlflow, readArtifact, readBack } from "../support/mlflow.ts";
import type { ReadRun } from "../support/mlflow.ts";
import { ask, deliveryOf, points, QUICK, say, seenOn, short, storeFor, sync, tellLater } from "../support/told.ts";
import type { SeenRun } from "../support/told.ts";

const live = needsMlflow(test);

async function onServer(run: RunRow): Promise<SeenRun> {
  const [seen, ...more] = await seenOn(mlflow.proxied.uri, run);
  expect(more).toEqual([]);
  return seen as SeenRun;
}

live("a run arrives with its times, names, params, tags, every metric point, and its files at exactly their paths", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, {
    run: {
      name: "bold run",
      user: "eve",
      note: "first try",
      started_at: 1_700_000_000_001,
      ended_at: 1_700_000_060_002,
      command: '["python","train.py","--lr","0.1"]',
      code_commit: "abc123",
      code_branch: "main",
      code_remote: "https://u:p@host/x.git",
    },
    params: { lr: "0.1", "deep.key": "x" },
    tags: { team: "blue" },
    metrics: [...points("loss", [1, Number.NaN, Number.POSITIVE_INFINITY, 0.25]), ...points("acc", [0.5])],
    artifacts: [
      { path: "metrics.json", bytes: "{}" },
      { path: "plots/roc curve.png", bytes: "png" },
      { path: "empty", bytes: "" },
      { path: "model", files: { MLmodel: "flavors", "data/weights.bin": "w" } },
    ],
  });
  const report = await sync(stored);
  expect(report).toMatchObject({
    synced: 1,
    left: 0,
    files: 5,
    runs: [{ run: run.id, state: "synced", sent: { params: 2, tags: 1, metrics: 5, files: 5, how: { put: 5 } }, notes: [] }],
  });
  const [seen, ...more] = (await readBack(mlflow.proxied, run.id)) as [ReadRun, ...ReadRun[]];
  expect(more).toEqual([]);
  expect(seen).toMatchObject({
    experiment: stored.store.settings.values.tracking.mlflow.experiment,
    name: "bold run",
    status: "FINISHED",
    start_time: 1_700_000_000_001,
    end_time: 1_700_000_060_002,
    params: { lr: "0.1", "deep.key": "x" },
    artifacts: { "metrics.json": 2, "plots/roc curve.png": 3, empty: 0, "model/MLmodel": 7, "model/data/weights.bin": 1 },
    tags: {
      team: "blue",
      "coffer.run_id": run.id,
      "mlflow.user": "eve",
      "mlflow.note.content": "first try",
      "mlflow.source.name": "python train.py --lr 0.1",
      "mlflow.source.type": "LOCAL",
      "mlflow.source.git.commit": "abc123",
      "mlflow.source.git.branch": "main",
      "mlflow.source.git.repoURL": "https://host/x.git",
    },
  });
  expect(seen.metrics["loss"]).toEqual([
    [1, 0, 1_700_000_000_000],
    ["nan", 1, 1_700_000_000_001],
    [Number.MAX_VALUE, 2, 1_700_000_000_002],
    [0.25, 3, 1_700_000_000_003],
  ]);
  expect(Buffer.from(await readArtifact(mlflow.proxied, seen.run_id, "plots/roc curve.png")).toString()).toBe("png");
  expect(report.runs[0]?.page).toBe(`${mlflow.proxied.uri}/#/experiments/${deliveryOf(stored, run).remote_experiment}/runs/${seen.run_id}`);
});

for (const [state, status] of [
  ["failed", "FAILED"],
  ["killed", "KILLED"],
] as const)
  live(`a run that ${state === "failed" ? "failed" : "was killed"} ends as ${status}`, async () => {
    using stored = await storeFor(mlflow.proxied.uri);
    const { run } = await tellLater(stored, { run: { state } });
    await sync(stored);
    expect((await onServer(run)).status).toBe(status);
  });

live("a synced run is neither sent nor asked for again, and what is logged to it later is sent alone", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, {
    params: { a: "1" },
    metrics: points("loss", [1, 2]),
    artifacts: [{ path: "a.txt", bytes: "a" }],
  });
  await sync(stored);
  proxy.requests.length = 0;
  expect(await sync(stored)).toMatchObject({ runs: [], synced: 0, left: 0 });
  expect(proxy.requests).toEqual([]);

  await stored.add({ run, path: "b.txt", bytes: "b" });
  say(stored, run, { params: { b: "2" }, metrics: [{ key: "loss", value: 3, step: 2, time: 1_700_000_000_009 }] });
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { params: 1, metrics: 1, files: 1 } }] });
  expect(proxy.requests.map(short).filter((request) => request.startsWith("PUT") || request.endsWith("create"))).toEqual(["PUT b.txt"]);
  expect(await onServer(run)).toMatchObject({
    params: { a: "1", b: "2" },
    artifacts: { "a.txt": 1, "b.txt": 1 },
    metrics: {
      loss: [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    },
  });
});

live("a nested run that was delivered first is told its parent once the parent is there", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const parent = stored.run();
  const { run: child } = await tellLater(stored, { run: { parent: parent.seq } });
  await sync(stored);
  expect((await onServer(child)).tags).not.toHaveProperty("mlflow.parentRunId");
  say(stored, parent, {});
  expect(await sync(stored, { runs: new Set([parent.seq]) })).toMatchObject({ synced: 2, left: 0 });
  const above = (await onServer(parent)).id;
  expect((await onServer(child)).tags["mlflow.parentRunId"]).toBe(above);
  const { run: late } = await tellLater(stored, { run: { parent: parent.seq } });
  await sync(stored);
  expect((await onServer(late)).tags["mlflow.parentRunId"]).toBe(above);
});

live(
  "into an MLflow run that somebody else made go params, metrics, tags and files; it keeps its name, its state and its own tags",
  async () => {
    const connection = connectQuickly(mlflow.proxied.uri);
    const experiment = await ensureExperiment(connection, `given ${Bun.randomUUIDv7()}`);
    const theirs = {
      experimentId: experiment.id,
      cofferRunId: `theirs-${Bun.randomUUIDv7()}`,
      name: "theirs",
      user: "adam",
      startTime: 5,
      tags: [],
    };
    const made = await ensureRun(connection, theirs);
    using stored = await storeFor(mlflow.proxied.uri);
    const said = {
      run: { kind: "log", name: "ours" } as const,
      remoteRun: made.id,
      params: { lr: "1" },
      tags: { t: "u" },
      metrics: points("m", [1]),
      artifacts: [{ path: "f", bytes: "f" }],
    };
    const { run } = await tellLater(stored, said);
    for (const more of [{}, { params: { more: "2" } }]) {
      say(stored, run, more);
      expect(await sync(stored)).toMatchObject({ synced: 1, left: 0 });
    }
    expect(await seenOn(mlflow.proxied.uri, run)).toEqual([]);
    const [seen] = await seenOn(mlflow.proxied.uri, { id: theirs.cofferRunId });
    expect(seen).toMatchObject({
      id: made.id,
      name: "theirs",
      status: "RUNNING",
      params: { lr: "1", more: "2" },
      metrics: { m: [[0, 1]] },
      artifacts: { f: 1 },
    });
    expect(seen?.tags).toMatchObject({ t: "u", "coffer.run_id": theirs.cofferRunId, "mlflow.user": "adam" });
  },
);

live("a given run that the server does not know is refused, and no run is made in its place", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { run: { kind: "log" }, remoteRun: "0".repeat(32) });
  expect(await sync(stored)).toMatchObject({ left: 1, runs: [{ state: "refused", error: { code: "SERVER_REFUSED" } }] });
  expect(await seenOn(mlflow.proxied.uri, run)).toEqual([]);
});

live("a run that is deleted on the server is reported and not made a second time; restored there, it gets the rest", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored);
  await sync(stored);
  const id = deliveryOf(stored, run).remote_run as string;
  await ask(mlflow.proxied.uri, "runs/delete", { run_id: id });
  say(stored, run, { params: { late: "1" } });
  const report = await sync(stored);
  expect(report).toMatchObject({ left: 1, runs: [{ state: "refused", remote_run: id }] });
  expect(report.runs[0]?.error?.hint).toContain("coffer sync-mlflow --restore");
  expect(deliveryOf(stored, run)).toMatchObject({ state: "refused", last_error: expect.stringContaining("deleted") });
  await ask(mlflow.proxied.uri, "runs/restore", { run_id: id });
  expect(await sync(stored)).toMatchObject({ synced: 1 });
  expect(await onServer(run)).toMatchObject({ id, params: { late: "1" } });
});

live("a run that the server has lost is made anew with all that was sent before", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { params: { a: "1" }, metrics: points("loss", [1]), artifacts: [{ path: "f", bytes: "f" }] });
  await sync(stored);
  const before = deliveryOf(stored, run).remote_run as string;
  // `mlflow gc` takes what was deleted
  await ask(mlflow.proxied.uri, "runs/delete", { run_id: before });
  const database = `sqlite:///${mlflow.proxied.directory}/mlflow.db`;
  const gc = Bun.spawnSync(
    [
      mlflow.proxied.python,
      "-m",
      "mlflow",
      "gc",
      "--backend-store-uri",
      database,
      "--run-ids",
      before,
      "--artifacts-destination",
      mlflow.proxied.artifacts,
    ],
    {
      env: { PATH: process.env["PATH"], HOME: mlflow.proxied.directory, MLFLOW_TRACKING_URI: mlflow.proxied.uri },
    },
  );
  expect(gc.exitCode).toBe(0);
  expect(await sync(stored, { check: true })).toMatchObject({ synced: 1, left: 0 });
  const seen = await onServer(run);
  expect(seen.id).not.toBe(before);
  expect(seen).toMatchObject({ status: "FINISHED", params: { a: "1" }, metrics: { loss: [[0, 1]] }, artifacts: { f: 1 } });
});

live("what one step is refused does not keep the others; it is tried again with the next sync", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { params: { lr: "0.1" } });
  const { run: other } = await tellLater(stored);
  await sync(stored);
  await stored.add({ run, path: "f", bytes: "f" });
  say(stored, run, { params: { lr: "0.2", epochs: "3" }, metrics: points("loss", [1]) });
  say(stored, other, { tags: { a: "b" } });
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 1, runs: [{ state: "refused" }, { state: "synced" }] });
  expect(report.runs[0]?.error?.message).toBe("param “lr” is “0.1” on the server, and “0.2” here");
  expect(await onServer(run)).toMatchObject({
    status: "FINISHED",
    params: { lr: "0.1", epochs: "3" },
    metrics: { loss: [[0, 1]] },
    artifacts: { f: 1 },
  });
  say(stored, run, { params: { lr: "0.1" } });
  expect(await sync(stored)).toMatchObject({ synced: 1, left: 0 });
  expect(deliveryOf(stored, run)).toMatchObject({ state: "synced", last_error: null });
});

live("what is logged while a run is being delivered is delivered as well before it counts as synced", async () => {
  let logged: (() => void) | undefined;
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) => {
    if (request.endsWith("runs/update")) {
      logged?.();
      logged = undefined;
    }
    return undefined;
  });
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { params: { a: "1" } });
  logged = () => say(stored, run, { params: { late: "2" }, tags: { late: "3" }, metrics: points("late", [4]) });
  expect(await sync(stored)).toMatchObject({ synced: 1 });
  expect(await onServer(run)).toMatchObject({ params: { a: "1", late: "2" }, tags: { late: "3" }, metrics: { late: [[0, 4]] } });
});

live("a run that another process delivers is left to it, with no request", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored);
  using claim = claimRun(stored.store, run.seq);
  expect(claim.holder).toBeUndefined();
  expect(await sync(stored)).toMatchObject({ left: 1, runs: [{ state: "busy", error: { code: "STORE_BUSY" } }] });
  expect(proxy.requests).toEqual([]);
});

live("a run that goes on or was taken out of sight stays here and counts as nothing left", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { run: { state: "running" } });
  await tellLater(stored, { run: { removed_at: 5 } });
  expect(await sync(stored)).toMatchObject({ left: 0, runs: [{ run: run.id, state: "running" }] });
  expect(proxy.requests).toEqual([]);
});

live("with MLFLOW_SKIP_ARTIFACT_LOGGING all but the files is sent, and no request is about files", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { params: { a: "1" }, artifacts: [{ path: "f", bytes: "f" }] });
  expect(await sync(stored, { skipArtifacts: true })).toMatchObject({
    left: 0,
    runs: [{ state: "withheld", sent: { params: 1, files: 0 } }],
  });
  expect(proxy.requests.filter((request) => request.includes("artifacts"))).toEqual([]);
  expect(await onServer(run)).toMatchObject({ status: "FINISHED", artifacts: {} });
  expect(await sync(stored)).toMatchObject({ synced: 1, files: 1 });
});

live("runs whose experiment nobody named go to MLFLOW_EXPERIMENT_ID", async () => {
  const experiment = await ensureExperiment(connectQuickly(mlflow.proxied.uri), `by id ${Bun.randomUUIDv7()}`);
  using stored = await storeFor(mlflow.proxied.uri, { "tracking.mlflow.experiment": "Default" });
  const { run } = await tellLater(stored);
  await sync(stored, { env: { ...QUICK, MLFLOW_EXPERIMENT_ID: experiment.id } });
  expect((await onServer(run)).experiment).toBe(experiment.id);
  expect(deliveryOf(stored, run).experiment).toBe(experiment.name);
  const { run: lost } = await tellLater(stored);
  expect(await sync(stored, { env: { ...QUICK, MLFLOW_EXPERIMENT_ID: "987654321" } })).toMatchObject({
    runs: [{ run: lost.id, state: "refused" }],
  });
});

live("MLFLOW_EXPERIMENT_NAME comes before MLFLOW_EXPERIMENT_ID, and where the two are at odds nothing is made", async () => {
  const name = `both ${Bun.randomUUIDv7()}`;
  using stored = await storeFor(mlflow.proxied.uri, { "tracking.mlflow.experiment": name });
  // as MLflow's client has it, there is nothing to be at odds with before the experiment is made
  const { run } = await tellLater(stored);
  await sync(stored, { env: { ...QUICK, MLFLOW_EXPERIMENT_NAME: name, MLFLOW_EXPERIMENT_ID: "0" } });
  const id = (await onServer(run)).experiment;
  const { run: next } = await tellLater(stored);
  const report = await sync(stored, { env: { ...QUICK, MLFLOW_EXPERIMENT_NAME: name, MLFLOW_EXPERIMENT_ID: "0" } });
  expect(report).toMatchObject({ left: 1, runs: [{ state: "refused", error: { code: "SERVER_REFUSED", hint: "unset one of the two" } }] });
  expect(await seenOn(mlflow.proxied.uri, next)).toEqual([]);
  await sync(stored, { env: { ...QUICK, MLFLOW_EXPERIMENT_NAME: name, MLFLOW_EXPERIMENT_ID: id } });
  expect((await onServer(next)).experiment).toBe(id);
});

live("names and values that MLflow would mangle are changed here, said, and recorded once", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, {
    params: { "p@x": "1", long: "y".repeat(6001) },
    metrics: points("mAP@0.5", [0.7]),
    artifacts: [{ path: "loss#1.png", bytes: "1" }],
  });
  const report = await sync(stored);
  expect(report.synced).toBe(1);
  expect(report.runs[0]?.notes).toHaveLength(4);
  const seen = await onServer(run);
  expect(Object.keys(seen.artifacts)[0]).toMatch(/^loss_1-[0-9a-f]{6}\.png$/);
  expect(Object.keys(seen.metrics)[0]).toMatch(/^mAP_0\.5-[0-9a-f]{6}$/);
  expect(seen.params["long"]).toHaveLength(6000);
  say(stored, run, {});
  await sync(stored);
  expect(stored.store.db.query("SELECT kind FROM events WHERE run = ? ORDER BY kind").all(run.seq)).toEqual(
    ["renamed", "renamed", "renamed", "truncated"].map((kind) => ({ kind })),
  );
});

live("a followed run whose end is not in the outbox yet is left alone until it is", async () => {
  using stored = await storeFor(mlflow.proxied.uri, { "tracking.mlflow.sync": "never" });
  const { store } = stored;
  const run = stored.run({ state: "running" });
  store.transaction(() => enqueueRun(store, run, { asked: true }));
  expect(await sync(stored, { live: true })).toMatchObject({ left: 0, runs: [{ state: "running", error: null }] });
  // its wrapper tells nobody
  runs.update(store.db, run.seq, { state: "finished", ended_at: store.now() });
  store.transaction(() => outbox.enqueue(store.db, deliveryOf(stored, run).seq, "tags"));
  expect(await sync(stored, { live: true })).toMatchObject({ runs: [{ state: "running", error: null, notes: [] }] });
  enqueueMissing(store, (ended) => void enqueueRun(store, ended, { asked: true }));
  expect(await sync(stored)).toMatchObject({ left: 0, runs: [{ state: "synced", notes: [] }] });
  expect(await seenOn(mlflow.proxied.uri, run)).toMatchObject([{ status: "FINISHED" }]);
});
