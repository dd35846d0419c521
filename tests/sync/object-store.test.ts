import { beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import * as uploads from "../../src/db/delivery/upload-parts.ts";
import { examineFiles } from "../../src/sync/examine/examine-files.ts";
import type { DeliveryReport } from "../../src/sync/report.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import type { Fault } from "../support/faulty-proxy.ts";
import { connectQuickly } from "../support/quick-connection.ts";
import { readArtifact } from "../support/mlflow.ts";
import { needsMoto, objectStore } from "../support/object-store.ts";
import type { TestStore } from "../support/store.ts";
import { ask, deliveryOf, QUICK, seenOn, storeFor, sync, tellLater } from "../support/told.ts";

const live = needsMoto(test);
const store = objectStore();
beforeEach(() => {
  if (!store.storage) return;
  store.fault = () => undefined;
  store.storage.requests.length = 0;
});

const MIB = 1024 * 1024;
/** Small parts, so that a file of some MiB has several of them. */
const PARTS = { MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: String(10 * MIB), MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: String(5 * MIB) };
const LARGE = 24 * MIB + 5;
/** 24 MiB and 5 bytes in parts of 5 MiB. */
const COUNT = 5;

function deliverTo(stored: TestStore, env: Record<string, string> = {}): Promise<DeliveryReport> {
  return sync(stored, { env: { ...QUICK, ...PARTS, ...env } });
}

function how(report: DeliveryReport): Record<string, number> {
  return report.runs[0]?.sent.how ?? {};
}

/** Parts that went to the storage. */
function partsSent(): string[] {
  return store.storage.requests.filter((request) => request.startsWith("PUT /mlflow/") && !request.includes("coffer-probe"));
}

function wholeDatabase({ store: { root } }: TestStore): string {
  return ["coffer.db", "coffer.db-wal"].map((name) => readFileSync(`${root}/${name}`, "latin1")).join("");
}

function keptFiles({ store: { root } }: TestStore): string[] {
  return readdirSync(`${root}/tmp`).filter((name) => name.startsWith("upload-"));
}

live(
  "a large file goes in parts to the storage behind the server, a small one through the server, and MLflow's client reads both",
  async () => {
    using stored = await storeFor(store.proxied.uri);
    const large = randomBytes(LARGE);
    const { run } = await tellLater(stored, {
      artifacts: [
        { path: "models/große +1.bin", bytes: large },
        { path: "small.txt", bytes: "small" },
      ],
    });
    const heads: string[] = [];
    store.fault = (request) =>
      request.startsWith("PUT /mlflow/dest") ? { rewrite: (head) => (heads.push(head.slice(0, 2000)), head) } : undefined;
    const report = await deliverTo(stored, { MLFLOW_TRACKING_USERNAME: "somebody", MLFLOW_TRACKING_PASSWORD: "hunter2" });
    expect(report).toMatchObject({ synced: 1, left: 0, files: 2 });
    expect(how(report)).toEqual({ parts: 1, put: 1 });
    // the storage gets no credentials of MLflow's, and knows the length of each part before it comes
    const parts = heads.filter((head) => head.includes("partNumber="));
    expect(parts).toHaveLength(COUNT);
    for (const head of parts) {
      expect(head).not.toMatch(/^authorization:/im);
      expect(head).toMatch(/^content-length: \d+\r$/im);
    }
    expect(stored.store.db.query("SELECT how FROM outbox WHERE step = 'artifact' ORDER BY seq").values()).toEqual([["parts"], ["put"]]);
    expect(uploads.ofDelivery(stored.store.db, deliveryOf(stored, run).seq)).toEqual([]);
    expect(keptFiles(stored)).toEqual([]);
    expect(wholeDatabase(stored)).not.toMatch(/X-Amz|hunter2/i);
    const [seen] = await seenOn(store.proxied.uri, run);
    const path = Object.keys(seen?.artifacts ?? {}).find((name) => name.startsWith("models/")) as string;
    expect(seen?.artifacts[path]).toBe(LARGE);
    expect(Buffer.compare(await readArtifact(store.proxied, seen?.id as string, path), large)).toBe(0);
  },
);

live("a part that is cut, reset or turned away is sent again, and no other", async () => {
  using stored = await storeFor(store.proxied.uri);
  const large = randomBytes(LARGE);
  const { run } = await tellLater(stored, { artifacts: [{ path: "m.bin", bytes: large }] });
  const faults = [{ resetAfter: 2 * MIB }, { reset: "answer" as const }, { answer: "503 Slow Down" }];
  store.fault = (request) => (request.startsWith("PUT /mlflow/dest") ? faults.shift() : undefined);
  const retries: string[] = [];
  const report = await sync(stored, {
    env: { ...QUICK, ...PARTS, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "3" },
    onRetry: (words) => retries.push(words),
  });
  expect(how(report)).toEqual({ parts: 1 });
  expect(partsSent()).toHaveLength(COUNT + 3);
  expect(retries).toHaveLength(3);
  expect(retries.join()).not.toContain("Signature");
  const [seen] = await seenOn(store.proxied.uri, run);
  expect(Buffer.compare(await readArtifact(store.proxied, seen?.id as string, "m.bin"), large)).toBe(0);
});

for (const kind of ["proxied", "direct"] as const)
  live(`what arrived before an outage is not sent again (${kind}); the addresses lie where only this user reads them`, async () => {
    using stored = await storeFor(store[kind].uri);
    const large = randomBytes(LARGE);
    const { run } = await tellLater(stored, { artifacts: [{ path: "m.bin", bytes: large }] });
    let let_in = 3;
    store.fault = (request) => (request.startsWith("PUT /mlflow/d") && let_in-- <= 0 ? { reset: "before" } : undefined);
    const env: Record<string, string> = kind === "direct" ? { ...store.env } : {};
    const first = await deliverTo(stored, env);
    expect(first).toMatchObject({ left: 1, runs: [{ state: "pending", error: { code: "SERVER_UNREACHABLE" } }] });
    const saved = uploads.ofDelivery(stored.store.db, deliveryOf(stored, run).seq);
    expect(saved).toHaveLength(1);
    expect(uploads.parts(stored.store.db, saved[0]?.seq as number).size).toBe(3);
    expect(keptFiles(stored)).toHaveLength(kind === "proxied" ? 1 : 0);
    for (const name of keptFiles(stored)) expect(statSync(`${stored.store.root}/tmp/${name}`).mode & 0o777).toBe(0o600);
    expect(wholeDatabase(stored) + JSON.stringify(first)).not.toMatch(/X-Amz|Signature=/i);

    store.fault = () => undefined;
    store.storage.requests.length = 0;
    const second = await deliverTo(stored, env);
    expect(second).toMatchObject({ synced: 1, left: 0 });
    expect(partsSent()).toHaveLength(COUNT - 3);
    expect(keptFiles(stored)).toEqual([]);
    const [seen] = await seenOn(store[kind].uri, run);
    expect(Buffer.compare(await readArtifact(store[kind], seen?.id as string, "m.bin", store.env), large)).toBe(0);
  });

live("addresses that have expired are of no use: the old upload is aborted and a new one sends all of it", async () => {
  using stored = await storeFor(store.proxied.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "m.bin", bytes: randomBytes(LARGE) }] });
  let letIn = 2;
  store.fault = (request) => (request.startsWith("PUT /mlflow/dest") && letIn-- <= 0 ? { reset: "before" } : undefined);
  await deliverTo(stored);
  stored.now += 3_700_000;
  store.fault = () => undefined;
  store.storage.requests.length = 0;
  expect(await deliverTo(stored)).toMatchObject({ synced: 1 });
  expect(partsSent()).toHaveLength(COUNT);
  expect(store.storage.requests.filter((request) => request.startsWith("DELETE /mlflow/dest"))).toHaveLength(1);
  expect((await seenOn(store.proxied.uri, run))[0]?.artifacts).toEqual({ "m.bin": LARGE });
});

live("a storage that only the server reaches gets the file through the server", async () => {
  const body = JSON.stringify({
    upload_id: "u",
    credentials: Array.from({ length: COUNT }, (_, index) => ({
      part_number: index + 1,
      url: `http://127.0.0.1:9/x?X-Amz-Signature=s3cr3t`,
    })),
  });
  await using proxy = await faultyProxy(store.proxied.uri, (request) =>
    request.includes("/mpu/create/") ? { answer: "200 OK", body } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "a.bin", bytes: randomBytes(LARGE) },
      { path: "b.bin", bytes: randomBytes(LARGE - 1) },
    ],
  });
  const report = await sync(stored, { env: { ...QUICK, ...PARTS }, jobs: 1 });
  expect(report).toMatchObject({ synced: 1 });
  expect(how(report)).toEqual({ put: 2 });
  // found out once
  expect(proxy.requests.filter((request) => request.includes("/mpu/create/"))).toHaveLength(1);
  expect(proxy.requests.filter((request) => request.includes("/mpu/abort/"))).toHaveLength(1);
  expect(JSON.stringify(report)).not.toContain("s3cr3t");
  expect((await seenOn(store.proxied.uri, run))[0]?.artifacts).toEqual({ "a.bin": LARGE, "b.bin": LARGE - 1 });
});

for (const kind of ["proxied", "direct"] as const)
  live(`parts that were put together, with the answer lost, are not sent again (${kind})`, async () => {
    const lose = (request: string): Fault =>
      /\/mpu\/complete\/|^POST \/mlflow\/direct/.test(request) && ++completed === lost ? { reset: "answer" } : undefined;
    // to the storage itself the first POST begins the upload
    const lost = kind === "proxied" ? 1 : 2;
    let completed = 0;
    await using proxy = await faultyProxy(store[kind].uri, lose);
    using stored = await storeFor(proxy.uri);
    const large = randomBytes(LARGE);
    const { run } = await tellLater(stored, { artifacts: [{ path: "dir/a.bin", bytes: large }] });
    store.fault = lose;
    const report = await sync(stored, { env: { ...QUICK, ...PARTS, ...(kind === "direct" && store.env) } });
    expect(completed).toBeGreaterThan(lost);
    expect(how(report)).toEqual(kind === "proxied" ? { parts: 1 } : { s3: 1 });
    expect(partsSent()).toHaveLength(COUNT);
    expect(uploads.ofDelivery(stored.store.db, deliveryOf(stored, run).seq)).toEqual([]);
    const [seen] = await seenOn(store[kind].uri, run);
    expect(Buffer.compare(await readArtifact(store[kind], seen?.id as string, "dir/a.bin", store.env), large)).toBe(0);
  });

live("parts that cannot be put together go through the server, and the upload is aborted", async () => {
  await using proxy = await faultyProxy(store.proxied.uri, (request) =>
    request.includes("/mpu/complete/") ? { answer: "500 Internal Server Error" } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "a.bin", bytes: randomBytes(LARGE) }] });
  const report = await sync(stored, { env: { ...QUICK, ...PARTS, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "7" } });
  expect(how(report)).toEqual({ put: 1 });
  expect(store.storage.requests.filter((request) => request.startsWith("DELETE /mlflow/dest"))).toHaveLength(1);
  expect(uploads.ofDelivery(stored.store.db, deliveryOf(stored, run).seq)).toEqual([]);
});

live("with keys in the environment files go straight to S3, whatever their names and sizes, and MLflow's client reads them", async () => {
  await using proxy = await faultyProxy(store.direct.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const large = randomBytes(LARGE);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "large.bin", bytes: large },
      { path: "a b/ü+é&=(1)'!*,@$~.txt", bytes: "odd" },
      { path: "empty", bytes: "" },
      { path: "page.html", bytes: "<p>" },
    ],
  });
  const report = await deliverTo(stored, store.env);
  expect(report).toMatchObject({ synced: 1, files: 4 });
  expect(how(report)).toEqual({ s3: 4 });
  expect(proxy.requests.filter((request) => /artifact/.test(request))).toEqual([]);
  const [seen] = await seenOn(store.direct.uri, run);
  expect(seen?.artifacts).toEqual({ "large.bin": LARGE, "a b/ü+é&=(1)'!*,@$~.txt": 3, empty: 0, "page.html": 3 });
  expect(Buffer.compare(await readArtifact(store.direct, seen?.id as string, "large.bin", store.env), large)).toBe(0);
  expect(Buffer.from(await readArtifact(store.direct, seen?.id as string, "a b/ü+é&=(1)'!*,@$~.txt", store.env)).toString()).toBe("odd");
  expect(wholeDatabase(stored)).not.toMatch(/not-a-secret|AKIDEXAMPLE/);
});

live("a server that has no access to the bucket is not needed to see that all is there", async () => {
  await using proxy = await faultyProxy(store.direct.uri, (request) =>
    request.includes("artifacts/list") ? { answer: "500 Internal Server Error" } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const files = Object.fromEntries(Array.from({ length: 1200 }, (_, index) => [`f${index}`, `${index}`]));
  await tellLater(stored, { artifacts: [{ path: "many", files }] });
  expect(await deliverTo(stored, store.env)).toMatchObject({ synced: 1, files: 1200 });
});

live("without keys the server signs an address for each file, and gets none of the bytes itself", async () => {
  await using proxy = await faultyProxy(store.direct.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const large = randomBytes(LARGE);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "large.bin", bytes: large },
      { path: "a b/ü+é.txt", bytes: "odd" },
      { path: "empty", bytes: "" },
    ],
  });
  const heads: string[] = [];
  store.fault = (request) =>
    request.startsWith("PUT /mlflow/") ? { rewrite: (head) => (heads.push(head.slice(0, 2000)), head) } : undefined;
  const report = await deliverTo(stored, { MLFLOW_TRACKING_TOKEN: "hunter2" });
  expect(report).toMatchObject({ synced: 1, files: 3 });
  expect(how(report)).toEqual({ presigned: 3 });
  expect(heads.join()).not.toMatch(/hunter2|^authorization:/im);
  expect(heads.filter((head) => /^content-type: text\/plain\r$/im.test(head))).toHaveLength(1);
  expect(proxy.requests.filter((request) => request.endsWith("/upload-artifact"))).toEqual([]);
  const [seen] = await seenOn(store.direct.uri, run);
  expect(seen?.artifacts).toEqual({ "large.bin": LARGE, "a b/ü+é.txt": 3, empty: 0 });
  expect(Buffer.compare(await readArtifact(store.direct, seen?.id as string, "large.bin", store.env), large)).toBe(0);
});

live("keys that the bucket refuses are no use: the server signs instead, and the keys are tried once", async () => {
  const refusal = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
  await using locked = await faultyProxy(store.storage.uri, () => ({ answer: "403 Forbidden", body: refusal }));
  using stored = await storeFor(store.direct.uri);
  await tellLater(stored, {
    artifacts: [
      { path: "a", bytes: "a" },
      { path: "b", bytes: "b" },
    ],
  });
  const report = await sync(stored, { env: { ...QUICK, ...store.env, MLFLOW_S3_ENDPOINT_URL: locked.uri }, jobs: 1 });
  expect(report).toMatchObject({ synced: 1 });
  expect(how(report)).toEqual({ presigned: 2 });
  expect(locked.requests.filter((request) => request.startsWith("PUT"))).toHaveLength(1);
});

live(
  "a server that signs nothing takes up to 10 MiB itself; what is larger is refused with what to do, and the rest is delivered",
  async () => {
    await using proxy = await faultyProxy(store.direct.uri, (request) =>
      request.endsWith("/server-info") ? { answer: "404 Not Found" } : undefined,
    );
    using stored = await storeFor(proxy.uri);
    const { run } = await tellLater(stored, {
      params: { a: "1" },
      artifacts: [
        { path: "d/a b ü.txt", bytes: "small" },
        { path: "ten", bytes: randomBytes(10 * MIB) },
        { path: "more", bytes: randomBytes(10 * MIB + 1) },
      ],
    });
    const report = await deliverTo(stored);
    expect(how(report)).toEqual({ small: 2 });
    expect(report).toMatchObject({ left: 1, runs: [{ state: "refused", error: { code: "SERVER_REFUSED" } }] });
    expect(report.runs[0]?.error?.message).toContain("there is no way to bring more to s3://mlflow/direct");
    expect(report.runs[0]?.error?.hint).toContain("AWS_ACCESS_KEY_ID");
    const [seen] = await seenOn(store.direct.uri, run);
    expect(seen).toMatchObject({ status: "FINISHED", artifacts: { "d/a b ü.txt": 5, ten: 10 * MIB } });
    expect(Buffer.from(await readArtifact(store.direct, seen?.id as string, "d/a b ü.txt", store.env)).toString()).toBe("small");
  },
);

live("a storage that nobody here speaks to, and the server neither, is refused at once with what to do", async () => {
  using stored = await storeFor(store.direct.uri);
  const { experiment } = stored.store.settings.values.tracking.mlflow;
  await ask(store.direct.uri, "experiments/create", { name: experiment, artifact_location: "gs://bucket/x" });
  const { run } = await tellLater(stored, { params: { a: "1" }, artifacts: [{ path: "f", bytes: "f" }] });
  for (const time of ["first", "second"]) {
    const report = await deliverTo(stored);
    expect([time, report]).toMatchObject([
      time,
      { left: 1, stopped: null, runs: [{ state: "refused", error: { code: "SERVER_REFUSED" } }] },
    ]);
  }
  expect((await seenOn(store.direct.uri, run).catch(() => [])).length).toBeLessThan(2);
});

live("the doctor tells which way is open, and sends nothing to the storage", async () => {
  const ways: [uri: string, env: Record<string, string>, found: RegExp][] = [
    [store.proxied.uri, {}, /^large files in parts, straight to the storage behind the server; through the server\. Seen of run /],
    [
      store.direct.uri,
      { ...store.env },
      /^straight to http:\/\/127\.0\.0\.1:\d+\/mlflow with the keys of this environment; to addresses that the server signs; /,
    ],
    [
      store.direct.uri,
      {},
      /^to addresses that the server signs; through the server, 10 MiB a file at most\. Seen of run [^]*, at s3:\/\/mlflow\/direct/,
    ],
  ];
  for (const [uri, env, found] of ways) {
    using stored = await storeFor(uri);
    await tellLater(stored);
    await deliverTo(stored);
    store.storage.requests.length = 0;
    const findings = await examineFiles(stored.store.settings, connectQuickly(uri), { ...QUICK, ...env }, stored.store);
    expect(findings.map(({ what, state }) => [what, state])).toEqual([
      ["experiment", "ok"],
      ["route", "ok"],
    ]);
    expect(findings[1]?.found).toMatch(found);
    expect(store.storage.requests.filter((request) => !request.startsWith("GET "))).toEqual([]);
  }
});
