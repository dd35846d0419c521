import { expect, test } from "bun:test";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import type { TestStore } from "../../support/store.ts";
import { deliveryOf, points, QUICK, say, seenOn, short, storeFor, sync, tellLater } from "../../support/told.ts";

const live = needsMlflow(test);

/** A server that is away from some request on, until it is back. */
async function fragileServer(goes: (request: string, count: number) => boolean, fault: Fault = { reset: "before" }) {
  let away = false;
  let back = false;
  const counts = new Map<string, number>();
  const proxy = await faultyProxy(mlflow.proxied.uri, (request) => {
    const name = short(request);
    const kind = name.startsWith("PUT") ? "PUT" : name;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    away ||= goes(kind, counts.get(kind) as number);
    return away && !back ? fault : undefined;
  });
  return Object.assign(proxy, { comesBack: () => void (back = true) });
}

async function tellMuch(stored: TestStore): Promise<RunRow> {
  const files = Array.from({ length: 3 }, (_, index) => ({ path: `f${index}`, bytes: `file ${index}` }));
  const tree = { path: "tree", files: Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`m${index}`, `member ${index}`])) };
  const { run } = await tellLater(stored, {
    params: { a: "1" },
    tags: { t: "u" },
    metrics: points(
      "loss",
      Array.from({ length: 4500 }, (_, step) => step),
    ),
    artifacts: [...files, tree],
  });
  return run;
}

const stages: [what: string, goes: (request: string, count: number) => boolean, fault: Fault, again: { puts: number; points: number }][] = [
  ["before anything was told", () => true, { reset: "before" }, { puts: 43, points: 4500 }],
  ["after the run was made, with the answer lost", (request) => request === "runs/create", { reset: "answer" }, { puts: 43, points: 4500 }],
  // the first request brings params, the second tags, then come four at once and the last one
  [
    "between two pages of metrics",
    (request, count) => request === "runs/log-batch" && count === 7,
    { reset: "before" },
    { puts: 43, points: 500 },
  ],
  ["among the files of a directory", (request, count) => request === "PUT" && count === 20, { reset: "before" }, { puts: 24, points: 0 }],
  ["with the first answer to a file lost", (request) => request === "PUT", { reset: "answer" }, { puts: 42, points: 0 }],
  ["before the end", (request) => request === "runs/update", { reset: "before" }, { puts: 0, points: 0 }],
  ["while the run was read back", (request) => request === "runs/get", { reset: "before" }, { puts: 0, points: 0 }],
];
for (const [what, goes, fault, again] of stages)
  live(`a server that goes away ${what} costs no more than what was under way`, async () => {
    await using server = await fragileServer(goes, fault);
    using stored = await storeFor(server.uri);
    const run = await tellMuch(stored);
    const first = await sync(stored, { jobs: 1 });
    expect(first).toMatchObject({ left: 1, runs: [{ state: "pending", error: { code: "SERVER_UNREACHABLE" } }] });
    expect(first.stopped).toBe(first.runs[0]?.error?.message as string);
    expect(deliveryOf(stored, run).last_error).toContain(server.uri);

    server.comesBack();
    server.requests.length = 0;
    const second = await sync(stored, { jobs: 1 });
    expect(second).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { metrics: again.points } }] });
    expect(server.requests.filter((request) => request.startsWith("PUT"))).toHaveLength(again.puts);
    const [seen, ...more] = await seenOn(mlflow.proxied.uri, run);
    expect(more).toEqual([]);
    expect(seen).toMatchObject({ status: "FINISHED", params: { a: "1" }, tags: { t: "u" } });
    expect(seen?.metrics["loss"]).toHaveLength(4500);
    expect(Object.keys(seen?.artifacts ?? {})).toHaveLength(43);
  });

live("once the server is away no other run is tried, and all of them are left", async () => {
  await using server = await fragileServer(() => true);
  using stored = await storeFor(server.uri);
  for (let count = 0; count < 3; count++) await tellLater(stored);
  const report = await sync(stored);
  expect(report).toMatchObject({ left: 3, synced: 0 });
  expect(report.runs).toHaveLength(1);
  server.comesBack();
  expect(await sync(stored)).toMatchObject({ left: 0, synced: 3 });
});

live("a server that answers each upload with 503 leaves the rest of the run as it is, and no other run is tried", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) => (request.startsWith("PUT") ? { answer: "503 Busy" } : undefined));
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { params: { a: "1" }, artifacts: [{ path: "f", bytes: "f" }] });
  expect(await sync(stored)).toMatchObject({ left: 1, runs: [{ state: "pending", sent: { params: 1 } }] });
  expect((await seenOn(mlflow.proxied.uri, run))[0]).toMatchObject({ params: { a: "1" } });
});

live("a file that a proxy refuses for good leaves the run refused, but ended, and the other files there", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
    request.endsWith("/large") ? { answer: "413 Content Too Large" } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "large", bytes: "large" },
      { path: "s", bytes: "s" },
    ],
  });
  const report = await sync(stored);
  expect(report).toMatchObject({ left: 1, runs: [{ state: "refused" }] });
  expect(report.runs[0]?.error?.hint).toContain("client_max_body_size");
  expect((await seenOn(mlflow.proxied.uri, run))[0]).toMatchObject({ status: "FINISHED", artifacts: { s: 1 } });
});

live("a run whose reading back is refused is not synced, and the next one goes on", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.endsWith("artifacts/list") && nth === 1 ? { answer: "403 Forbidden" } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  for (const path of ["f", "g"]) await tellLater(stored, { artifacts: [{ path }] });
  expect(await sync(stored)).toMatchObject({ left: 1, synced: 1, stopped: null, runs: [{ state: "refused" }, { state: "synced" }] });
  expect(await sync(stored)).toMatchObject({ left: 0, synced: 1, files: 0 });
});

live("a deadline that passes leaves the run pending, and so does an interruption", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => ({ stall: true }));
  using stored = await storeFor(proxy.uri);
  await tellLater(stored);
  expect(await sync(stored, { signal: AbortSignal.timeout(50) })).toMatchObject({
    left: 1,
    runs: [{ state: "pending", error: { code: "SERVER_UNREACHABLE" } }],
  });
  const stop = new AbortController();
  const going = sync(stored, { signal: stop.signal });
  while (proxy.requests.length < 2) await Bun.sleep(1);
  stop.abort(new Error("interrupted"));
  expect(await going).toMatchObject({ left: 1, runs: [{ state: "pending" }] });
  // neither left its lease behind
  expect(stored.store.db.query("SELECT count(*) AS n FROM leases").get()).toEqual({ n: 0 });
});

live("a server that has answered is not given up for its silence, one that has not is", async () => {
  let stalls = false;
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
    stalls || request.endsWith("runs/create") ? { stall: true } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  await tellLater(stored);
  // the experiment was answered; after that only the request's own time limit counts
  const report = await sync(stored, {
    patience: { untilAnswer: 1_000 },
    env: { ...QUICK, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0", MLFLOW_HTTP_REQUEST_TIMEOUT: "2" },
  });
  expect(report.stopped).toContain("POST runs/create: no answer for 2 s");
  stalls = true;
  expect((await sync(stored, { patience: { untilAnswer: 50 } })).stopped).toEndWith(
    "no time left for GET experiments/get-by-name (no answer within 0.05 s)",
  );
});

live("a server that answers each request counts as there, however long one step takes", async () => {
  let begun = false;
  let away = true;
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) => {
    if (!request.endsWith("log-batch")) return undefined;
    if (!away) return { held: Bun.sleep(300) };
    // the params come first
    if (begun) return { answer: "503 Busy" };
    begun = true;
    return undefined;
  });
  using stored = await storeFor(proxy.uri);
  const metrics = points(
    "loss",
    Array.from({ length: 15_000 }, (_, step) => step),
  );
  await tellLater(stored, { params: { a: "1" }, metrics });
  expect(await sync(stored)).toMatchObject({ left: 1 });
  away = false;
  expect(await sync(stored, { patience: { untilAnswer: 1_000 } })).toMatchObject({ synced: 1, left: 0, stopped: null });
});

live("an upload that was sent again is told to whoever listens, and so is how far it is", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.startsWith("PUT") && nth === 1 ? { answer: "502 Bad Gateway" } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "f", bytes: "f" },
      { path: "g", bytes: "gg" },
    ],
  });
  say(stored, run, {});
  const heard: string[] = [];
  let last: unknown;
  await sync(stored, { env: QUICK, onRetry: (words) => heard.push(words), progress: (progress) => (last = progress) });
  expect(heard).toContain("PUT f: 502; again in 0.0 s");
  expect(last).toEqual({
    run: run.id,
    nth: 1,
    points: { done: 0, of: 0 },
    runs: 1,
    goesOn: false,
    files: { done: 2, of: 2 },
    bytes: { done: 3, of: 3 },
    later: { points: 0, files: 0, bytes: 0 },
  });
});
