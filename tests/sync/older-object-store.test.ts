import { dirname, join } from "node:path";
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { motoPython, startMoto } from "../../scripts/mlflow/moto.ts";
import type { Moto } from "../../scripts/mlflow/moto.ts";
import type { MlflowServer } from "../../scripts/mlflow/server.ts";
import { mlflow, needsOlder, startMlflow } from "../support/mlflow.ts";
import { needsMoto } from "../support/object-store.ts";
import type { TestStore } from "../support/store.ts";
import { ask, QUICK, seenOn, storeFor, sync, tellLater } from "../support/told.ts";

// MLflow 3.11 before a storage: it says nothing of what it can do, and signs no addresses

const live = needsOlder(needsMoto(test));
const stack = new AsyncDisposableStack();
let moto: Moto;
let server: MlflowServer;

beforeAll(async () => {
  const python = motoPython();
  if (!python || process.env["COFFER_TEST_MLFLOW"] === undefined) return;
  moto = stack.use(await startMoto(python, "mlflow"));
  // boto3 of the other environment
  const lib = join(dirname(dirname(python)), "lib");
  const packages = join(lib, readdirSync(lib).find((name) => name.startsWith("python")) as string, "site-packages");
  server = stack.use(
    await startMlflow({
      python: mlflow.older.python,
      args: ["--artifacts-destination", "s3://mlflow/dest"],
      env: { ...moto.env, PYTHONPATH: packages },
    }),
  );
}, 120_000);
afterAll(() => stack.disposeAsync(), 60_000);

const LARGE = new Uint8Array(11 * 1024 * 1024).fill(7);
const PARTS = { MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: "10485760", MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: "5242880" };

async function direct(): Promise<TestStore> {
  const name = `direct ${Bun.randomUUIDv7()}`;
  await ask(server.uri, "experiments/create", { name, artifact_location: `s3://mlflow/direct/${Bun.randomUUIDv7()}` });
  return storeFor(server.uri, { "tracking.mlflow.experiment": name });
}

for (const [what, env, how] of [
  ["goes whole where nothing is said of parts", {}, { put: 2 }],
  ["goes in parts where the environment says so", { MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: "true" }, { parts: 1, put: 1 }],
] as const)
  live(`MLflow 3.11 before a storage: a large file ${what}`, async () => {
    using stored = await storeFor(server.uri);
    const { run } = await tellLater(stored, {
      artifacts: [
        { path: "large.bin", bytes: LARGE },
        { path: "small", bytes: "s" },
      ],
    });
    const report = await sync(stored, { env: { ...QUICK, ...PARTS, ...env }, verify: "bytes" });
    expect(report).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { how }, verified: { files: 2 } }] });
    expect(await seenOn(server.uri, run)).toMatchObject([{ artifacts: { "large.bin": LARGE.length, small: 1 } }]);
  });

live("MLflow 3.11 with runs at s3://: straight there with keys", async () => {
  using stored = await direct();
  const { run } = await tellLater(stored, { artifacts: [{ path: "a/f", bytes: LARGE }] });
  expect(await sync(stored, { env: { ...QUICK, ...PARTS, ...moto.env } })).toMatchObject({
    synced: 1,
    runs: [{ sent: { how: { s3: 1 } } }],
  });
  expect(await seenOn(server.uri, run)).toMatchObject([{ artifacts: { "a/f": LARGE.length } }]);
});

live(
  "MLflow 3.11 with runs at s3://: without keys small files go through the server, and what is too large is told with what would help",
  async () => {
    using stored = await direct();
    const { run } = await tellLater(stored, {
      artifacts: [
        { path: "small", bytes: "s" },
        { path: "large", bytes: LARGE },
      ],
    });
    const report = await sync(stored, { env: QUICK });
    expect(report).toMatchObject({ left: 1, runs: [{ state: "refused", sent: { how: { small: 1 } }, error: { code: "SERVER_REFUSED" } }] });
    expect(`${report.runs[0]?.error?.message} ${report.runs[0]?.error?.hint}`).toMatch(/large.*AWS_ACCESS_KEY_ID/);
    expect(await seenOn(server.uri, run)).toMatchObject([{ status: "FINISHED", artifacts: { small: 1 } }]);
  },
);
