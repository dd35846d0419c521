import { expect, test } from "bun:test";
import { faultyProxy } from "../mlflow/faulty-proxy.ts";
import { mlflow, needsMlflow, readBack } from "../support/mlflow.ts";
import { ask, deliveryOf, QUICK, seenOn, storeFor, sync, tellLater } from "./told.ts";

const live = needsMlflow(test);
const IMPATIENT = { ...QUICK, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0", MLFLOW_HTTP_REQUEST_TIMEOUT: "3" };

/** A proxy that keeps the first of these requests, and lets it go when the second one comes. */
async function slowQueue(route: string) {
  const held = Promise.withResolvers<void>();
  return faultyProxy(mlflow.proxied.uri, (request, nth) => {
    if (!request.endsWith(route)) return undefined;
    if (nth === 1) return { held: held.promise };
    held.resolve();
    return undefined;
  });
}

for (const patient of [false, true])
  live(`a run whose creation arrives after it was given up is there once (${patient ? "within one sync" : "after two"})`, async () => {
    await using proxy = await slowQueue("/runs/create");
    using stored = await storeFor(proxy.uri);
    const { run } = await tellLater(stored, { params: { a: "1" } });
    if (!patient) expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1 });
    const report = await sync(stored, { env: patient ? { ...IMPATIENT, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1" } : QUICK });
    expect(report).toMatchObject({ synced: 1, left: 0 });
    expect(report.runs[0]?.notes).toEqual([expect.stringContaining("made a second run, which was empty and is deleted")]);
    const kept = deliveryOf(stored, run).remote_run;
    const all = await ask<{ runs: { info: { run_id: string; lifecycle_stage: string } }[] }>(mlflow.proxied.uri, "runs/search", {
      experiment_ids: [deliveryOf(stored, run).remote_experiment],
      run_view_type: "ALL",
    });
    expect(all.runs).toHaveLength(2);
    expect(all.runs.filter(({ info }) => info.lifecycle_stage === "active").map(({ info }) => info.run_id)).toEqual([kept as string]);
    expect(await sync(stored, { check: true })).toMatchObject({ checked: 1, left: 0, runs: [] });
  });

live("a model whose creation arrives after it was given up is there once", async () => {
  await using proxy = await slowQueue("/logged-models");
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "model", files: { MLmodel: "flavors: {}" } }] });
  expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1 });
  const report = await sync(stored, { env: QUICK });
  expect(report).toMatchObject({ synced: 1, left: 0 });
  expect(report.runs[0]?.notes).toEqual([expect.stringContaining("made a second model, which was empty and is deleted")]);
  const [seen] = await readBack(mlflow.proxied, run.id);
  expect(seen?.models).toMatchObject([{ status: "READY", artifacts: { MLmodel: 11 } }]);
  const { models } = await ask<{ models: object[] }>(mlflow.proxied.uri, "logged-models/search", {
    experiment_ids: [deliveryOf(stored, run).remote_experiment],
  });
  expect(models).toHaveLength(1);
  expect(await seenOn(mlflow.proxied.uri, run)).toHaveLength(1);
});
