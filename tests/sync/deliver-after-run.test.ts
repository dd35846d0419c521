import { expect, test } from "bun:test";
import { deliverAfterRun } from "../../src/sync/deliver-after-run.ts";
import type { AfterRun } from "../../src/sync/deliver-after-run.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import type { TestStore } from "../support/store.ts";
import { deliveryOf, QUICK, storeFor, tellLater } from "../support/told.ts";

const live = needsMlflow(test);

async function after(
  stored: TestStore,
  run: Parameters<typeof deliverAfterRun>[1],
  more: Partial<AfterRun> = {},
): Promise<{ left: number; said: string[] }> {
  const said: string[] = [];
  const say = { info: (words: string) => void said.push(words), warn: (words: string) => void said.push(`warning: ${words}`) };
  return { left: await deliverAfterRun(stored.store, run, { sync: "after", env: QUICK, say, now: () => Date.now(), ...more }), said };
}

live("a run that has ended is delivered alone, and its page is said", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run: earlier } = await tellLater(stored);
  const { run } = await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
  const { left, said } = await after(stored, run);
  expect(left).toBe(0);
  const { remote_experiment, remote_run } = deliveryOf(stored, run);
  expect(said).toEqual([
    expect.stringContaining(`delivered to ${mlflow.proxied.uri}/#/experiments/${remote_experiment}/runs/${remote_run} (one file, 1 B, `),
  ]);
  expect(deliveryOf(stored, earlier).state).toBe("pending");
});

live("the skipped files are said, and count as nothing left", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
  const { left, said } = await after(stored, run, { env: { ...QUICK, MLFLOW_SKIP_ARTIFACT_LOGGING: "True" } });
  expect([left, said.length, said[0]]).toEqual([0, 1, expect.stringContaining("MLFLOW_SKIP_ARTIFACT_LOGGING")]);
  // nor does it matter that the run's own wrapper had put no file into the outbox
  const { run: next } = await tellLater(stored, { artifacts: [{ path: "g", bytes: "g" }], skipArtifacts: true });
  const { said: again } = await after(stored, next, { env: { ...QUICK, MLFLOW_SKIP_ARTIFACT_LOGGING: "True" } });
  expect(again).toEqual([expect.stringContaining("without files: MLFLOW_SKIP_ARTIFACT_LOGGING is set")]);
});

live("a server that never answers is given up, whatever its own time limit, and what is left is said", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => ({ stall: true }));
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored);
  const { left, said } = await after(stored, run, { env: { ...QUICK, MLFLOW_HTTP_REQUEST_TIMEOUT: "3600" } });
  expect(left).toBe(1);
  expect(said).toEqual([
    expect.stringContaining("5 s for its first answer, 30 s in all"),
    `warning: not delivered to MLflow yet: ${proxy.uri}: no time left for GET experiments/get-by-name (no answer within 5 s)`,
    expect.stringContaining("coffer sync-mlflow sends what is left"),
  ]);
  expect(deliveryOf(stored, run)).toMatchObject({ state: "pending", tries: 1 });
});

test("who asked coffer to end does not wait for a server that is away, even where all was to be sent", async () => {
  using silent = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Promise<Response>(() => undefined) });
  const uri = `http://127.0.0.1:${silent.port}`;
  for (const sync of ["after", "required"] as const) {
    using stored = await storeFor(uri);
    const { run } = await tellLater(stored);
    const { left, said } = await after(stored, run, { sync, hurried: true });
    expect(left).toBe(1);
    expect(said[0]).toBe(
      `warning: not delivered to MLflow yet: ${uri}: no time left for GET experiments/get-by-name (no answer within 1 s)`,
    );
    expect(deliveryOf(stored, run).state).toBe("pending");
  }
});

test("an interrupted delivery says that it was interrupted, and nothing of the server", async () => {
  const stop = new AbortController();
  using silent = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      stop.abort("SIGINT");
      return new Promise<Response>(() => undefined);
    },
  });
  const uri = `http://127.0.0.1:${silent.port}`;
  using stored = await storeFor(uri);
  const { run } = await tellLater(stored);
  const { said } = await after(stored, run, { sync: "required", signal: stop.signal });
  expect(said[0]).toBe(`warning: not delivered to MLflow yet: ${uri}: interrupted`);
});

test("nobody listens at that port: it is said, nothing is thrown, and the run is left", async () => {
  using stored = await storeFor("http://127.0.0.1:1");
  const { run } = await tellLater(stored);
  const { left, said } = await after(stored, run, { sync: "required" });
  expect(left).toBe(1);
  expect(said[0]).toContain("nobody listens there (ECONNREFUSED)");
  expect(said[1]).toContain("warning: not delivered to MLflow yet: http://127.0.0.1:1");
});

test("a tracking URI that is none is said, and nothing is thrown", async () => {
  using stored = await storeFor("postgresql://eve:secret@db/mlflow");
  const { run } = await tellLater(stored);
  const { left, said } = await after(stored, run);
  expect(left).toBe(1);
  expect(said[0]).toContain("no http or https address: “postgresql://db/mlflow”");
  expect(said.join()).not.toContain("secret");
});

test("a server that was away when the run began gets one short try; one that has to have all of it, its whole time", async () => {
  using silent = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Promise<Response>(() => undefined) });
  const uri = `http://127.0.0.1:${silent.port}`;
  using stored = await storeFor(uri);
  const { run } = await tellLater(stored);
  expect((await after(stored, run, { away: true })).said).toEqual([
    `warning: not delivered to MLflow yet: ${uri}: no time left for GET experiments/get-by-name (no answer within 1 s)`,
    "is the server up, and MLFLOW_TRACKING_URI its address? coffer sync-mlflow sends what is left",
  ]);
  const stop = new AbortController();
  const heard = Promise.withResolvers<string>();
  const say = { info: heard.resolve, warn: heard.resolve };
  const waits = after(stored, run, { sync: "required", away: true, signal: stop.signal, say });
  expect(await heard.promise).toBe(`delivering run ${run.id} to MLflow: 15 s for its first answer …`);
  stop.abort("SIGINT");
  expect((await waits).left).toBe(1);
});

live("of two that deliver a run at once, one says that the other did it, and so does who comes later", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
  const both = await Promise.all([after(stored, run), after(stored, run)]);
  const { remote_experiment, remote_run } = deliveryOf(stored, run);
  const page = `${mlflow.proxied.uri}/#/experiments/${remote_experiment}/runs/${remote_run}`;
  const already = `delivered to ${page} already, by whoever follows this run`;
  expect(both.map(({ left }) => left)).toEqual([0, 0]);
  expect(both.flatMap(({ said }) => said).toSorted()).toEqual([expect.stringContaining(`delivered to ${page} (one file, 1 B, `), already]);
  expect(await after(stored, run)).toEqual({ left: 0, said: [already] });
});
