import { expect, test } from "bun:test";
import * as inputs from "../../src/db/records/run-inputs.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { mlflow, needsOlder, readArtifact, readBack } from "../support/mlflow.ts";
import type { ReadRun } from "../support/mlflow.ts";
import { ask, deliveryOf, points, QUICK, say, seenOn, short, storeFor, sync, tellLater } from "../support/told.ts";

const live = needsOlder(test);

live(
  "MLflow 3.11 gets all of a run, and its own client reads it: times, parent, params, metrics, inputs, models, files, empty ones and odd names",
  async () => {
    await using proxy = await faultyProxy(mlflow.older.uri, () => undefined);
    using stored = await storeFor(proxy.uri);
    const parent = stored.run({ name: "search" });
    say(stored, parent, {});
    const series = points(
      "loss",
      Array.from({ length: 2_500 }, (_, step) => 1 / (step + 1)),
    );
    const { run, artifacts } = await tellLater(stored, {
      run: {
        name: "trial 1",
        user: "eve",
        parent: parent.seq,
        note: "lower rate",
        started_at: 1_700_000_000_001,
        ended_at: 1_700_000_060_002,
      },
      params: { lr: "0.1", long: "y".repeat(6001), "mAP@0.5": "1" },
      tags: { team: "blue" },
      metrics: [...series, ...points("odd", [Number.NaN, Number.POSITIVE_INFINITY])],
      artifacts: [
        { name: "data", path: "clean.csv", bytes: "a,b" },
        { path: "empty", bytes: "" },
        { path: "plots/ü é 🎉+&.png", bytes: "png" },
        { path: "loss#1%20.png", bytes: "1" },
        { path: "large.bin", bytes: new Uint8Array(700_001).map((_, index) => index >> 3) },
        { path: "model", files: { MLmodel: "flavors: {}", "data/model.pkl": "pickled", "data/empty": "" } },
      ],
    });
    const [csv] = artifacts;
    inputs.add(stored.store.db, { run: run.seq, how: "declared", artifact: csv!.seq, path: null, digest: csv!.digest, size: csv!.size });
    say(stored, run, {});
    const report = await sync(stored, { verify: "bytes" });
    expect(report).toMatchObject({ synced: 2, left: 0, stopped: null });
    expect(report.runs.at(-1)).toMatchObject({
      sent: { params: 3, metrics: 2_502, inputs: 1, models: 1, files: 8 },
      verified: { files: 8, bytes: 700_026 },
    });

    proxy.requests.length = 0;
    expect(await sync(stored)).toMatchObject({ runs: [], left: 0 });
    expect(proxy.requests).toEqual([]);
    expect(await sync(stored, { check: true })).toMatchObject({ checked: 2, runs: [], left: 0 });
    say(stored, run, { params: { late: "1" } });
    expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { params: 1, metrics: 0, models: 0, files: 0 } }] });
    expect(proxy.requests.map(short).filter((request) => request.startsWith("PUT") || request.endsWith("create"))).toEqual([]);

    const [seen, ...more] = (await readBack(mlflow.older, run.id)) as [ReadRun, ...ReadRun[]];
    expect(more).toEqual([]);
    expect(seen).toMatchObject({
      name: "trial 1",
      status: "FINISHED",
      start_time: 1_700_000_000_001,
      end_time: 1_700_000_060_002,
      params: { lr: "0.1", long: "y".repeat(6000), late: "1" },
      tags: {
        team: "blue",
        "mlflow.user": "eve",
        "mlflow.note.content": "lower rate",
        "mlflow.parentRunId": deliveryOf(stored, parent).remote_run,
      },
      inputs: [{ name: "data", profile: { size_bytes: 3 } }],
      models: [{ status: "READY", artifacts: { MLmodel: 11, "data/model.pkl": 7, "data/empty": 0 } }],
    });
    expect(seen.inputs).toHaveLength(1);
    expect(seen.metrics["loss"]).toEqual(series.map(({ value, step, time }) => [value, step, time]));
    expect(seen.metrics["odd"]?.map(([value]) => value)).toEqual(["nan", Number.MAX_VALUE]);
    const { "plots/ü é 🎉+&.png": odd, ...files } = seen.artifacts;
    expect(odd).toBe(3);
    expect(Object.keys(files).find((path) => path.startsWith("loss_1"))).toMatch(/^loss_1.*-[0-9a-f]{6}\.png$/);
    expect(files).toMatchObject({ "clean.csv": 3, empty: 0, "large.bin": 700_001, "model/MLmodel": 11, "model/data/model.pkl": 7 });
    expect(Buffer.from(await readArtifact(mlflow.older, seen.run_id, "model/data/model.pkl")).toString()).toBe("pickled");
  },
);

live("MLflow 3.11: a run and an experiment that were deleted there are reported, and brought back when asked", async () => {
  using stored = await storeFor(mlflow.older.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
  await sync(stored);
  const { remote_run: id, remote_experiment: experiment } = deliveryOf(stored, run);
  for (const [route, body] of [
    ["runs/delete", { run_id: id }],
    ["experiments/delete", { experiment_id: experiment }],
  ] as const) {
    await ask(mlflow.older.uri, route, body);
    say(stored, run, { params: { [route]: "1" } });
    const refused = await sync(stored);
    expect(refused).toMatchObject({ left: 1, runs: [{ state: "refused" }] });
    expect(refused.runs[0]?.error?.hint).toContain("--restore");
    expect(await sync(stored, { restore: true })).toMatchObject({ synced: 1, left: 0 });
  }
  expect(await seenOn(mlflow.older.uri, run)).toMatchObject([
    { id, params: { "runs/delete": "1", "experiments/delete": "1" }, artifacts: { f: 1 } },
  ]);
});

for (const [what, env] of [
  ["that does not say whether it takes parts", {}],
  ["that is said to take parts, and does not", { MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: "true" }],
] as const)
  live(`MLflow 3.11, ${what}, gets a large file whole`, async () => {
    using stored = await storeFor(mlflow.older.uri);
    const { run } = await tellLater(stored, { artifacts: [{ path: "large", bytes: new Uint8Array(6_000_000) }] });
    const report = await sync(stored, { env: { ...QUICK, MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: "5242880", ...env } });
    expect(report).toMatchObject({ synced: 1, runs: [{ sent: { files: 1, how: { put: 1 } } }] });
    expect(await seenOn(mlflow.older.uri, run)).toMatchObject([{ artifacts: { large: 6_000_000 } }]);
  });

live("MLflow 3.11: an upload that was cut, and one whose answer was lost, are sent again and lie there whole", async () => {
  await using proxy = await faultyProxy(mlflow.older.uri, (request, nth) =>
    nth > 1 || !request.startsWith("PUT") ? undefined : request.endsWith("/a") ? { resetAfter: 300_000 } : { reset: "answer" },
  );
  using stored = await storeFor(proxy.uri);
  const bytes = new Uint8Array(1_000_000).fill(7);
  const { run } = await tellLater(stored, { artifacts: ["a", "b"].map((path) => ({ path, bytes })) });
  expect(await sync(stored, { verify: "bytes" })).toMatchObject({ synced: 1, left: 0 });
  expect(await seenOn(mlflow.older.uri, run)).toMatchObject([{ artifacts: { a: 1_000_000, b: 1_000_000 } }]);
});
