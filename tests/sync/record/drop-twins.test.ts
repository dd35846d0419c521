import { expect, test } from "bun:test";
import * as runs from "../../../src/db/records/runs.ts";
import type { RunRow } from "../../../src/db/records/runs.ts";
import type { DeliveryReport } from "../../../src/sync/report.ts";
import { place } from "../../cli/run-place.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { cleanEnvironment, spawnCoffer } from "../../support/coffer.ts";
import { mlflow, needsMlflow, readBack } from "../../support/mlflow.ts";
import type { TestStore } from "../../support/store.ts";
import { ask, deliveryOf, QUICK, say, seenOn, storeFor, sync, tellLater } from "../../support/told.ts";

const live = needsMlflow(test);
const IMPATIENT = { ...QUICK, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0", MLFLOW_HTTP_REQUEST_TIMEOUT: "3" };

/** A proxy that keeps the first of these requests, and lets it go when the second one comes. `fault`: what becomes of others. */
async function slowQueue(route: string, fault: (request: string, nth: number) => Fault = () => undefined) {
  const held = Promise.withResolvers<void>();
  return faultyProxy(mlflow.proxied.uri, (request, nth) => {
    if (!request.endsWith(route)) return fault(request, nth);
    if (nth === 1) return { held: held.promise };
    held.resolve();
    return undefined;
  });
}

/** The server is away the first time that this is asked. */
const awayAt =
  (route: string) =>
  (request: string, nth: number): Fault =>
    request.endsWith(route) && nth === 1 ? { reset: "before" } : undefined;

/** Ids of the runs in this run's experiment that are not deleted, and how many there are in all. */
async function runsBeside(stored: TestStore, run: RunRow): Promise<{ active: string[]; all: number }> {
  const { runs } = await ask<{ runs: { info: { run_id: string; lifecycle_stage: string } }[] }>(mlflow.proxied.uri, "runs/search", {
    experiment_ids: [deliveryOf(stored, run).remote_experiment],
    run_view_type: "ALL",
  });
  return { active: runs.filter(({ info }) => info.lifecycle_stage === "active").map(({ info }) => info.run_id), all: runs.length };
}

const SECOND = { run: "made a second run, which was empty and is deleted", model: "made a second model, which was empty and is deleted" };

for (const patient of [false, true])
  live(`a run whose creation arrives after it was given up is there once (${patient ? "within one sync" : "after two"})`, async () => {
    await using proxy = await slowQueue("/runs/create");
    using stored = await storeFor(proxy.uri);
    const { run } = await tellLater(stored, { params: { a: "1" } });
    if (!patient) expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1 });
    const report = await sync(stored, { env: patient ? { ...IMPATIENT, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1" } : QUICK });
    expect(report).toMatchObject({ synced: 1, left: 0 });
    expect(report.runs[0]?.notes).toEqual([expect.stringContaining(SECOND.run)]);
    expect(await runsBeside(stored, run)).toEqual({ active: [deliveryOf(stored, run).remote_run as string], all: 2 });
    expect(await sync(stored, { check: true })).toMatchObject({ checked: 1, left: 0, runs: [] });
  });

live("a sync that made the run and met an outage then leaves the second one to the next sync", async () => {
  await using proxy = await slowQueue("/runs/create", awayAt("/runs/update"));
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { params: { a: "1" } });
  expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1 });
  expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1, runs: [{ sent: { params: 1 } }] });
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 0 });
  expect(report.runs[0]?.notes).toEqual([expect.stringContaining(SECOND.run)]);
  expect(await runsBeside(stored, run)).toEqual({ active: [deliveryOf(stored, run).remote_run as string], all: 2 });
});

live("so does a sync that is killed while its request is on its way", async () => {
  await using proxy = await slowQueue("/runs/create");
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored);
  const env = { ...cleanEnvironment(), MLFLOW_TRACKING_URI: proxy.uri };
  const killed = spawnCoffer(["sync-mlflow"], { root: stored.store.settings.roots.store, env });
  while (!proxy.requests.some((request) => request.endsWith("/runs/create"))) await Bun.sleep(5);
  killed.kill("SIGKILL");
  await killed.exited;
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 0 });
  expect(report.runs[0]?.notes).toEqual([expect.stringContaining(SECOND.run)]);
  expect(await runsBeside(stored, run)).toEqual({ active: [deliveryOf(stored, run).remote_run as string], all: 2 });
});

live("a second run that was made while a run is followed is gone once that has ended, and what the first one had stays", async () => {
  await using proxy = await slowQueue("/runs/create");
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { run: { state: "running" }, params: { a: "1" } });
  for (const left of [1, 0])
    expect(await sync(stored, { live: true, env: IMPATIENT })).toMatchObject({ stopped: left === 0 ? null : expect.any(String) });
  runs.update(stored.store.db, run.seq, { state: "finished", ended_at: stored.now });
  say(stored, runs.bySeq(stored.store.db, run.seq) as RunRow, {});
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 0 });
  expect(report.runs[0]?.notes).toEqual([expect.stringContaining(SECOND.run)]);
  const { active } = await runsBeside(stored, run);
  expect(active).toEqual([deliveryOf(stored, run).remote_run as string]);
  expect((await seenOn(mlflow.proxied.uri, run)).find(({ id }) => id === active[0])).toMatchObject({
    status: "FINISHED",
    params: { a: "1" },
  });
});

live("what --attach had asked for before it gave up is there once, however late it is made", async () => {
  await using proxy = await slowQueue("/runs/create");
  using here = place();
  const env = { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_EXPERIMENT_NAME: `sync ${Bun.randomUUIDv7()}` };
  const { code, stderr } = await here.run("exit 0", ["--attach", "--sync", "never"], { env });
  expect([code, stderr]).toEqual([0, expect.stringContaining("not attached, the command runs without: ")]);
  const { code: end, json } = await here.coffer(["sync-mlflow", "--json"], { env });
  expect([end, json()]).toEqual([0, expect.objectContaining({ synced: 1, left: 0 })]);
  expect(json<DeliveryReport>().runs[0]?.notes).toEqual([expect.stringContaining(SECOND.run)]);
  const { id, deliveries } = await here.shown();
  const seen = await seenOn(mlflow.proxied.uri, { id });
  expect(seen.map(({ status }) => status).toSorted()).toEqual(["FINISHED", "RUNNING"]);
  expect(deliveries).toMatchObject([
    { state: "synced", attached: false, remote_run: seen.find(({ status }) => status === "FINISHED")?.id },
  ]);
});

live("a second run that comes after all is delivered is found by --check", async () => {
  const late = Promise.withResolvers<void>();
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.endsWith("/runs/create") && nth === 1 ? { held: late.promise } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored);
  expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1 });
  expect(await sync(stored)).toMatchObject({ synced: 1, left: 0, runs: [{ notes: [] }] });
  late.resolve();
  while ((await runsBeside(stored, run)).all < 2) await Bun.sleep(20);
  const checked = await sync(stored, { check: true });
  expect(checked).toMatchObject({ checked: 1, left: 0 });
  expect(checked.runs[0]?.notes).toEqual([expect.stringContaining(SECOND.run)]);
  expect(await runsBeside(stored, run)).toEqual({ active: [deliveryOf(stored, run).remote_run as string], all: 2 });
  expect(await sync(stored, { check: true })).toMatchObject({ checked: 1, left: 0, runs: [] });
});

for (const away of [false, true])
  live(
    `a model whose creation arrives after it was given up is there once${away ? ", also where an outage came in between" : ""}`,
    async () => {
      await using proxy = await slowQueue("/logged-models", away ? awayAt("/runs/outputs") : undefined);
      using stored = await storeFor(proxy.uri);
      const { run } = await tellLater(stored, { artifacts: [{ path: "model", files: { MLmodel: "flavors: {}" } }] });
      expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1 });
      if (away) expect(await sync(stored, { env: IMPATIENT })).toMatchObject({ left: 1, runs: [{ sent: { models: 1 } }] });
      const report = await sync(stored, { env: QUICK });
      expect(report).toMatchObject({ synced: 1, left: 0 });
      expect(report.runs[0]?.notes).toEqual([expect.stringContaining(SECOND.model)]);
      const [seen] = await readBack(mlflow.proxied, run.id);
      expect(seen?.models).toMatchObject([{ status: "READY", artifacts: { MLmodel: 11 } }]);
      const { models } = await ask<{ models: object[] }>(mlflow.proxied.uri, "logged-models/search", {
        experiment_ids: [deliveryOf(stored, run).remote_experiment],
      });
      expect(models).toHaveLength(1);
      expect(await seenOn(mlflow.proxied.uri, run)).toHaveLength(1);
    },
  );
