import { expect, test } from "bun:test";
import { partSizeFor, readUploadSettings } from "../../../src/mlflow/artifacts/upload-settings.ts";
import { expiryOf } from "../../../src/mlflow/artifacts/proxied-parts.ts";
import { chooseRoute, describeRoute } from "../../../src/sync/files/choose-route.ts";
import type { RouteDescription } from "../../../src/sync/files/choose-route.ts";
import { RouteMemory } from "../../../src/sync/files/route-memory.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { openTestStore } from "../../support/store.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { QUICK, seenOn, storeFor, sync, tellLater } from "../../support/told.ts";

const live = needsMlflow(test);

async function describe(uri: string, set: Record<string, unknown> = {}, given = false): Promise<RouteDescription> {
  using stored = await openTestStore(set);
  const seeking = { store: stored.store, connection: connectQuickly(uri), routes: new RouteMemory(QUICK) };
  const run = await newRun(seeking.connection);
  return describeRoute(seeking, await chooseRoute(seeking, run, given));
}

live(
  "a route can be told before anything is sent: a disk that both see, or through the server with the reason why not in parts",
  async () => {
    expect(await describe(mlflow.shared.uri)).toMatchObject({
      place: expect.stringContaining(mlflow.shared.artifacts),
      ways: [{ way: "disk", words: expect.stringContaining("cloned or linked"), shut: null }],
    });
    expect((await describe(mlflow.shared.uri, {}, true)).ways[0]?.words).toEndWith("), clone");
    expect(await describe(mlflow.proxied.uri, { "tracking.mlflow.artifact_root": mlflow.proxied.artifacts })).toMatchObject({
      ways: [{ way: "disk", shut: null }],
    });
    expect(await describe(mlflow.proxied.uri)).toMatchObject({
      place: expect.stringContaining("/api/2.0/mlflow-artifacts/artifacts/"),
      ways: [
        { way: "parts", shut: "the server offers no uploads in parts" },
        { way: "put", shut: null },
      ],
    });
  },
);

live("where parts are asked for although the server's storage takes none, its 501 is believed at once", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "a.bin", bytes: new Uint8Array(300_000).fill(1) },
      { path: "b.bin", bytes: new Uint8Array(300_001).fill(2) },
      { path: "small", bytes: "s" },
    ],
  });
  const env = { ...QUICK, MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: "true", MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: "200000" };
  const report = await sync(stored, { env, jobs: 1 });
  expect(report).toMatchObject({ synced: 1, runs: [{ sent: { how: { put: 3 } } }] });
  expect(proxy.requests.filter((request) => request.includes("/mpu/"))).toHaveLength(1);
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.artifacts).toEqual({ "a.bin": 300_000, "b.bin": 300_001, small: 1 });
});

for (const url of ["s3://victim-bucket/key", "file:///dev/null", "data:text/plain,x", "", "http://127.0.0.1:99999/"])
  live(`a server that signs ${JSON.stringify(url)} for a part gets the file itself`, async () => {
    const credentials = [1, 2].map((part_number) => ({ part_number, url }));
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
      request.includes("/mpu/") ? { answer: "200 OK", body: JSON.stringify({ upload_id: "u", credentials }) } : undefined,
    );
    using stored = await storeFor(proxy.uri);
    const { run } = await tellLater(stored, { artifacts: [{ path: "a.bin", bytes: new Uint8Array(6_000_000).fill(1) }] });
    const settings = { MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: "200000", MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: "5242880" };
    const env = { ...QUICK, ...settings, MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: "true" };
    expect(await sync(stored, { env })).toMatchObject({ synced: 1, runs: [{ sent: { how: { put: 1 } } }] });
    expect(proxy.requests.filter((request) => request.includes("/mpu/create/"))).toHaveLength(1);
    expect((await seenOn(mlflow.proxied.uri, run))[0]?.artifacts).toEqual({ "a.bin": 6_000_000 });
  });

const MIB = 1024 * 1024;
const sizes: [size: number, wish: number, part: number][] = [
  [500 * MIB, 10 * MIB, 10 * MIB],
  [500 * MIB, 1, 5 * MIB],
  [97_657 * MIB, 10 * MIB, 10 * MIB],
  [100_001 * MIB, 10 * MIB, 11 * MIB],
  [5 * 1024 * 1024 * MIB, 10 * MIB, 525 * MIB],
  [MIB, 99_999 * MIB, 5 * 1024 * MIB],
];
for (const [size, wish, part] of sizes)
  test(`${size / MIB} MiB with a wish for ${wish} bytes go in parts of ${part / MIB} MiB, 10,000 at most`, () => {
    expect(partSizeFor(size, wish)).toBe(part);
    expect(Math.ceil(size / part)).toBeLessThanOrEqual(10_000);
  });

test("settings of uploads are MLflow's own variables", () => {
  expect(readUploadSettings({})).toEqual({ partsFrom: 500 * MIB, partSize: 10 * MIB, proxiedParts: undefined });
  expect(
    readUploadSettings({ MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: "7", MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: "False" }),
  ).toMatchObject({
    partsFrom: 7,
    proxiedParts: false,
  });
});

const now = Date.UTC(2026, 0, 1);
const addresses: [what: string, url: string, after: number][] = [
  ["S3", "https://b.s3.amazonaws.com/k?partNumber=1&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-Signature=x", 900_000],
  ["GCS", "https://storage.googleapis.com/b/k?X-Goog-Expires=3600&X-Goog-Signature=x", 3_600_000],
  ["Azure", "https://a.blob.core.windows.net/c/k?comp=block&se=2026-01-01T00%3A20%3A00Z&sig=x", 1_200_000],
  ["one that does not say", "https://elsewhere/k", 3_600_000],
];
for (const [what, url, after] of addresses)
  test(`an address of ${what} ends when it says so`, () => expect(expiryOf([{ number: 1, url, headers: {} }], now)).toBe(now + after));
