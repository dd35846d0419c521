import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "bun:test";
import { ADMIN } from "../../scripts/mlflow/guarded.ts";
import { destinationOf } from "../../src/mlflow/artifacts/destination.ts";
import { listArtifacts } from "../../src/mlflow/artifacts/list-artifacts.ts";
import { probeServer } from "../../src/mlflow/tracking/server-info.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { connectQuickly, newRun } from "../support/quick-connection.ts";
import { coffer } from "../support/coffer.ts";
import { mlflow, needsGuarded, readBack } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { deliveryOf, points, QUICK, storeFor, sync, tellLater } from "../support/told.ts";

// a real server below a path, that wants a login, under gunicorn

const live = needsGuarded(test);
const PREFIX = "/office/ml";
const BOB = { user: `bob-${Bun.randomUUIDv7()}`, password: "another long word" };

function login({ user, password }: typeof ADMIN): Record<string, string> {
  return { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password };
}

/** The address with user and password in it. */
function inUrl(uri: string, { user, password }: typeof ADMIN): string {
  return uri.replace("//", `//${user}:${encodeURIComponent(password)}@`);
}

beforeAll(async () => {
  if (process.env["COFFER_TEST_MLFLOW"] === undefined) return;
  const { authorization = "" } = connectQuickly(mlflow.guarded.uri, { env: login(ADMIN) }).headers();
  const made = await fetch(`${mlflow.guarded.uri}/api/2.0/mlflow/users/create`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ username: BOB.user, password: BOB.password }),
  });
  expect(made.status).toBe(200);
});

live("below a path and with a login, a run arrives whole, and MLflow's own client reads it", async () => {
  using stored = await storeFor(mlflow.guarded.uri);
  const { run } = await tellLater(stored, {
    params: { lr: "0.1" },
    metrics: points("loss", [2, 1]),
    artifacts: [
      { path: "a/ü b.txt", bytes: "hello" },
      { path: "empty", bytes: "" },
      { path: "model", files: { MLmodel: "flavors: {}", "data/w.bin": "w".repeat(300_000) } },
    ],
  });
  const report = await sync(stored, { env: { ...QUICK, ...login(ADMIN) }, verify: "bytes" });
  expect(report).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { files: 4, models: 1, how: { put: 4 } }, verified: { files: 4 } }] });
  expect(report.runs[0]?.page).toStartWith(`${mlflow.guarded.uri}/#/experiments/`);
  const [seen] = await readBack(mlflow.guarded, run.id, login(ADMIN));
  expect(seen).toMatchObject({
    status: "FINISHED",
    params: { lr: "0.1" },
    artifacts: { "a/ü b.txt": 5, empty: 0, "model/MLmodel": 11, "model/data/w.bin": 300_000 },
    models: [{ status: "READY", artifacts: { MLmodel: 11, "data/w.bin": 300_000 } }],
  });
});

live(
  "user and password are taken from the URL, the environment or the file; what is wrong is told with where it stands, at the first try",
  async () => {
    using home = temporaryRoot();
    mkdirSync(home.at(".mlflow"));
    const file = ({ user, password }: typeof ADMIN): void =>
      writeFileSync(
        home.at(".mlflow/credentials"),
        `[mlflow]\nmlflow_tracking_username=${user}\nmlflow_tracking_password=${password.replaceAll("%", "%%")}\n`,
      );
    const wrong = { user: "admin", password: "wr0ng-secret" };
    const probe = async (uri: string, env: Record<string, string> = {}): Promise<unknown> => {
      const again: unknown[] = [];
      const asked = probeServer(connectQuickly(uri, { env, onRetry: (notice) => again.push(notice) }));
      const end: unknown = await asked.then(
        ({ version }) => version,
        (error: unknown) => error,
      );
      expect(again).toEqual([]);
      expect(Bun.inspect(end)).not.toContain("wr0ng");
      return end;
    };
    const { uri } = mlflow.guarded;
    file(ADMIN);
    for (const good of [probe(inUrl(uri, ADMIN)), probe(uri, login(ADMIN)), probe(uri, { HOME: home.path })])
      expect(await good).toBe("3.17.2");
    file(wrong);
    for (const [bad, where] of [
      [probe(uri), "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"],
      [probe(inUrl(uri, wrong)), "user “admin” of the tracking URI"],
      [probe(uri, login(wrong)), "user “admin” of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"],
      [probe(uri, { HOME: home.path }), "user “admin” of ~/.mlflow/credentials"],
    ] as const)
      expect(await bad).toMatchObject({ code: "SERVER_REFUSED", status: 401, hint: expect.stringContaining(where) });
  },
);

live("who may only read is refused what writes, by name, and nothing is made twice once it may", async () => {
  using stored = await storeFor(mlflow.guarded.uri);
  const { run: first } = await tellLater(stored);
  await sync(stored, { env: { ...QUICK, ...login(ADMIN) } });
  // the experiment is the admin's now
  const { run } = await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
  const report = await sync(stored, { env: { ...QUICK, ...login(BOB), MLFLOW_HTTP_REQUEST_MAX_RETRIES: "5" } });
  expect(report).toMatchObject({ left: 1, retried: 0, runs: [{ run: run.id, state: "refused", error: { code: "SERVER_REFUSED" } }] });
  expect(report.runs[0]?.error?.message).toContain("403");
  expect(report.runs[0]?.error?.hint).toStartWith(
    `user “${BOB.user}” of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD may not do that there`,
  );
  expect(await sync(stored, { env: { ...QUICK, ...login(ADMIN) } })).toMatchObject({ synced: 1, left: 0 });
  expect(deliveryOf(stored, run).remote_run).not.toBe(deliveryOf(stored, first).remote_run);
});

live("an upload that is cut is kept short by gunicorn: the next sync finds it, and sends it again", async () => {
  let cuts = true;
  await using proxy = await faultyProxy(mlflow.guarded.uri, (request) =>
    cuts && request.startsWith("PUT") ? { resetAfter: 700_000 } : undefined,
  );
  using stored = await storeFor(proxy.uri + PREFIX);
  const bytes = new Uint8Array(2_000_000).fill(7);
  const { run } = await tellLater(stored, { artifacts: [{ path: "large.bin", bytes }] });
  const env = { ...QUICK, ...login(ADMIN), MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };
  expect(await sync(stored, { env })).toMatchObject({ left: 1 });
  const { remote_run, artifact_uri } = deliveryOf(stored, run);
  const connection = connectQuickly(mlflow.guarded.uri, { env: login(ADMIN) });
  const destination = destinationOf(connection, artifact_uri as string);
  if (destination.kind !== "proxied") throw new Error("not a proxied server");
  const file = join(mlflow.guarded.artifacts, destination.path, "large.bin");
  // gunicorn needs a moment to see that nothing more comes
  while ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) await Bun.sleep(10);
  const short = (await listArtifacts(connection, remote_run as string)).get("large.bin") as number;
  expect([short > 0, short < bytes.length]).toEqual([true, true]);
  cuts = false;
  expect(await sync(stored, { env })).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { files: 1, how: { put: 1 } } }] });
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

live("the path is part of every address, and a wrong one is told", async () => {
  const connection = connectQuickly(mlflow.guarded.uri, { env: login(ADMIN) });
  const { artifactUri } = await newRun(connection);
  const destination = destinationOf(connection, artifactUri);
  expect(destination.kind === "proxied" && destination.url).toStartWith(`${mlflow.guarded.uri}/api/`);
  for (const wrong of ["", "/office", "/office/ml/more"])
    expect(
      await probeServer(connectQuickly(mlflow.guarded.uri.replace(PREFIX, wrong), { env: login(ADMIN) })).catch((error: unknown) => error),
    ).toMatchObject({ code: "SERVER_REFUSED", status: 404, hint: expect.stringContaining("path prefix") });
});

live("a password in the tracking URI is neither said nor stored", async () => {
  using root = temporaryRoot();
  const env = { MLFLOW_TRACKING_URI: inUrl(mlflow.guarded.uri, ADMIN), MLFLOW_EXPERIMENT_NAME: `quiet ${Bun.randomUUIDv7()}` };
  const said: string[] = [];
  for (const args of [
    ["run", "--sync", "never", "--", "sh", "-c", "echo x >$COFFER_WORKSPACE/f"],
    ["sync-mlflow", "--json"],
    ["sync-mlflow", "--check"],
    ["stats", "--json"],
  ]) {
    const { code, stdout, stderr } = await coffer(args, { root: root.at("store"), cwd: root.path, env });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    said.push(stdout, stderr);
  }
  const files = readdirSync(root.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(2);
  for (const entry of files) said.push(readFileSync(join(entry.parentPath, entry.name), "latin1"));
  const all = said.join("\n");
  expect(all).toContain(mlflow.guarded.uri);
  for (const spelling of [
    ADMIN.password,
    encodeURIComponent(ADMIN.password),
    Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString("base64"),
  ])
    expect(all.includes(spelling)).toBe(false);
});
