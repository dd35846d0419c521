import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { coffer, spawnCoffer } from "../../support/coffer.ts";
import { mlflow, needsMlflow, startReader } from "../../support/mlflow.ts";
import type { Reader } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { tellWhole } from "./whole-run.ts";

const live = needsMlflow(test);

let reader: Reader;
beforeAll(() => {
  if (process.env["COFFER_TEST_MLFLOW"]) reader = startReader(mlflow.proxied);
});
afterAll(() => reader?.[Symbol.asyncDispose]());

/** A proxy that stops the first request that ends so; `reached` when it came. */
async function gate(ending: string) {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const proxy = await faultyProxy(mlflow.proxied.uri, (request, nth): Fault => {
    if (nth > 1 || !request.endsWith(ending)) return undefined;
    reached.resolve();
    return { held: opened.promise };
  });
  return Object.assign(proxy, { reached: reached.promise, open: opened.resolve });
}

live("of two syncs of a store one delivers a run, and the other says so, delivers the rest, and makes nothing twice", async () => {
  await using proxy = await gate("/runs/create");
  using told = await tellWhole(proxy.uri);
  const first = told.spawn();
  await proxy.reached;
  // the first one has the run around ours, and waits for the server
  const second = await told.sync();
  expect(second).toMatchObject({ code: 3 });
  expect(second.json<{ runs: object[] }>().runs).toMatchObject([
    { run: told.parent.id, state: "busy", error: { message: expect.stringContaining(`process ${first.pid} on`) } },
    { run: told.run.id, state: "synced" },
  ]);
  proxy.open();
  expect(await first.exited).toBe(0);
  expect(proxy.requests.filter((request) => request.endsWith("/runs/create"))).toHaveLength(2);
  await told.endsWell(reader);
});

live("gc and verify go on beside a sync, and take nothing from it", async () => {
  await using proxy = await gate("/large.bin");
  using told = await tellWhole(proxy.uri);
  const syncing = told.spawn();
  await proxy.reached;
  const options = { root: told.stored.store.settings.roots.store };
  for (const words of [["gc", "--apply"], ["verify"]]) expect(await coffer(words, options)).toMatchObject({ code: 0 });
  proxy.open();
  expect(await syncing.exited).toBe(0);
  await told.endsWell(reader);
});

live("what is logged to a run while it is read back is told by the same sync", async () => {
  await using proxy = await gate("/runs/update");
  using root = temporaryRoot();
  const env = { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_EXPERIMENT_NAME: `at once ${Bun.randomUUIDv7()}` };
  const options = { root: root.at("store"), cwd: root.path, env };
  for (const name of ["a.txt", "b.txt"]) writeFileSync(root.at(name), name);
  const { run } = (await coffer(["log", "a.txt", "--metric", "loss=1@0", "--param", "a=1", "--json"], options)).json<{ run: string }>();
  const syncing = spawnCoffer(["sync-mlflow"], options);
  await proxy.reached;
  expect(
    await coffer(["log", "--run", run, "b.txt", "--metric", "loss=2@1", "--param", "b=2", "--tag", "late=yes"], options),
  ).toMatchObject({
    code: 0,
  });
  proxy.open();
  expect(await syncing.exited).toBe(0);
  const [seen, ...more] = await reader.runs(run);
  expect(more).toEqual([]);
  expect(seen).toMatchObject({
    status: "FINISHED",
    params: { a: "1", b: "2" },
    tags: { late: "yes" },
    artifacts: { "a.txt": 5, "b.txt": 5 },
  });
  expect(seen?.metrics["loss"]?.map(([value, step]) => [value, step])).toEqual([
    [1, 0],
    [2, 1],
  ]);
});

live("a run that is logged to all the while loses no point, whatever syncs come in between", async () => {
  using root = temporaryRoot();
  const env = { MLFLOW_TRACKING_URI: mlflow.proxied.uri, MLFLOW_EXPERIMENT_NAME: `at once ${Bun.randomUUIDv7()}` };
  const options = { root: root.at("store"), cwd: root.path, env };
  const { run } = (await coffer(["log", "--param", "a=1", "--json"], options)).json<{ run: string }>();
  let left = 12;
  const logging = (async () => {
    for (let part = 0; part < 12; part++, left--) {
      const lines = Array.from({ length: 100 }, (_, nth) =>
        JSON.stringify({ metric: `m${nth % 3}`, value: part + nth, step: part * 100 + nth }),
      );
      expect(await coffer(["log", "--run", run, "--stdin"], { ...options, stdin: lines.join("\n") })).toMatchObject({ code: 0 });
    }
  })();
  do expect((await coffer(["sync-mlflow"], options)).code).toBeOneOf([0, 3]);
  while (left > 0);
  await logging;
  expect(await coffer(["sync-mlflow"], options)).toMatchObject({ code: 0 });
  const [seen, ...more] = await reader.runs(run);
  expect(more).toEqual([]);
  expect(Object.values(seen?.metrics ?? {}).map((points) => points.length)).toEqual([408, 396, 396]);
});
