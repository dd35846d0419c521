import { expect, test } from "bun:test";
import { destinationOf } from "../../src/mlflow/artifacts/destination.ts";
import { uploadArtifact } from "../../src/mlflow/artifacts/upload-artifact.ts";
import { deliver } from "../../src/sync/deliver.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { deliveryOf, QUICK, storeFor, tellLater } from "../support/told.ts";
import { fileSource } from "../support/file-source.ts";
import { connectQuickly } from "../support/quick-connection.ts";

const SECRETS = { MLFLOW_TRACKING_TOKEN: "s3cr3t", MLFLOW_WORKSPACE: "team" };

/** A server that notes each request with what it was told of who asks. */
function listener(answer: (request: Request) => Response = () => new Response("")): { uri: string; heard: string[] } & Disposable {
  const heard: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      heard.push(`${request.method} ${pathname} ${request.headers.get("authorization")} ${request.headers.get("x-mlflow-workspace")}`);
      return answer(request);
    },
  });
  return { uri: `http://127.0.0.1:${server.port}`, heard, [Symbol.dispose]: () => void server.stop(true) };
}

test("credentials go to the tracking server, and to no other host that an address may name", async () => {
  using root = temporaryRoot();
  using own = listener();
  using other = listener();
  const connection = connectQuickly(own.uri, { env: SECRETS });
  for (const { uri } of [own, other]) await uploadArtifact(connection, { url: `${uri}/x` }, "f", fileSource(root.at("f"), "f", 0o644));
  expect(own.heard).toEqual(["PUT /x/f Bearer s3cr3t team"]);
  expect(other.heard).toEqual(["PUT /x/f null null"]);
});

test("a server that keeps a run's artifacts on another host gets none of them there: it is refused with what to do", async () => {
  using other = listener();
  const { host } = new URL(other.uri);
  for (const place of [`mlflow-artifacts://${host}/0/run`, `${other.uri}/api/2.0/mlflow-artifacts/artifacts/0/run`]) {
    using own = listener((request) => answerAs(request, place));
    using stored = await storeFor(own.uri);
    const { run } = await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
    const report = await deliver(stored.store, { env: { ...QUICK, ...SECRETS } });
    expect(() => destinationOf(connectQuickly(own.uri), place)).toThrow(host);
    expect(report.runs[0]).toMatchObject({
      state: "refused",
      error: { code: "SERVER_REFUSED", hint: expect.stringContaining("own address") },
    });
    expect(deliveryOf(stored, run).state).toBe("refused");
    expect(own.heard.length).toBeGreaterThan(0);
  }
  expect(other.heard).toEqual([]);
});

/** As much of MLflow as it takes to have a run. */
function answerAs(request: Request, artifactUri: string): Response {
  const route = new URL(request.url).pathname.replace("/api/2.0/mlflow/", "");
  const info = {
    run_id: "r",
    run_name: "n",
    experiment_id: "1",
    status: "RUNNING",
    start_time: 0,
    artifact_uri: artifactUri,
    lifecycle_stage: "active",
  };
  if (route.startsWith("experiments/"))
    return Response.json({ experiment: { experiment_id: "1", name: "e", lifecycle_stage: "active", artifact_location: "" } });
  if (route === "runs/search") return Response.json({ runs: [] });
  return Response.json({ run: { info, data: { params: [], tags: [], metrics: [] } } });
}
