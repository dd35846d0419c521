import { expect, test } from "bun:test";
import type { CofferError } from "../../../src/domain/error.ts";
import { downloadArtifact } from "../../../src/mlflow/artifacts/download-artifact.ts";
import { findExperiment } from "../../../src/mlflow/tracking/experiments.ts";
import type { RetryNotice } from "../../../src/mlflow/http/retry-settings.ts";
import { getRun } from "../../../src/mlflow/tracking/runs.ts";
import { probeServer } from "../../../src/mlflow/tracking/server-info.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { connectQuickly } from "../../support/quick-connection.ts";

const live = needsMlflow(test);
const BY_NAME = "GET /api/2.0/mlflow/experiments/get-by-name";

live("two answers of 503 and then a good one are three tries, and Retry-After is kept", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (_, nth) =>
    nth === 1 ? { answer: "503 Busy\r\nRetry-After: 1" } : nth === 2 ? { answer: "503 Busy" } : undefined,
  );
  const notices: RetryNotice[] = [];
  const experiment = await findExperiment(connectQuickly(proxy.uri, { onRetry: (notice) => notices.push(notice) }), "Default");
  expect(experiment?.id).toBe("0");
  expect(proxy.requests).toEqual([BY_NAME, BY_NAME, BY_NAME]);
  expect(notices.map(({ wait }) => wait)).toEqual([1000, 0]);
});

live("Retry-After is not looked at where the environment says so", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (_, nth) =>
    nth === 1 ? { answer: "429 Slow Down\r\nRetry-After: 3000" } : undefined,
  );
  const notices: RetryNotice[] = [];
  const connection = connectQuickly(proxy.uri, {
    onRetry: (notice) => notices.push(notice),
    env: { MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: "false" },
  });
  expect((await findExperiment(connection, "Default"))?.id).toBe("0");
  expect(notices.map(({ wait }) => wait)).toEqual([0]);
});

const broken: [what: string, fault: Fault][] = [
  ["a connection that is reset", { reset: "before" }],
  ["an answer that is lost", { reset: "answer" }],
  ["an answer that is cut", { cutAnswerAfter: 200 }],
  ["an empty answer", { answer: "200 OK" }],
  ["an answer that ends in the middle, with the length of what is left", { answer: "200 OK", body: '{"experiment":{"experiment_id":' }],
  ["a gateway without its server", { answer: "502 Bad Gateway", body: "<html></html>" }],
];
for (const [what, fault] of broken)
  live(`${what} is asked again`, async () => {
    await using proxy = await faultyProxy(mlflow.proxied.uri, (_, nth) => (nth === 1 ? fault : undefined));
    expect((await findExperiment(connectQuickly(proxy.uri), "Default"))?.id).toBe("0");
    expect(proxy.requests).toHaveLength(2);
  });

live("whoever waits for a first answer is told of each one that is MLflow's, and of no other", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (_, nth) =>
    nth === 1 ? { answer: "200 OK" } : nth === 2 ? { answer: "503 Busy" } : undefined,
  );
  let answers = 0;
  const connection = connectQuickly(proxy.uri, { onAnswer: () => answers++ });
  await findExperiment(connection, "Default");
  expect([proxy.requests.length, answers]).toEqual([3, 1]);
  await findExperiment(connection, "Default");
  expect(answers).toBe(2);
});

live("a server that stalls is given up after the time limit, and asked again", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (_, nth) => (nth === 1 ? { stall: true } : undefined));
  const notices: RetryNotice[] = [];
  const connection = connectQuickly(proxy.uri, { onRetry: (notice) => notices.push(notice), env: { MLFLOW_HTTP_REQUEST_TIMEOUT: "2" } });
  expect((await findExperiment(connection, "Default"))?.id).toBe("0");
  expect(notices.map(({ why }) => why)).toEqual(["no answer for 2 s"]);
});

/** A server whose answers come bit by bit, and never end. */
function drip(bit: string, status: number) {
  const body = (): ReadableStream =>
    new ReadableStream({
      async pull(controller) {
        await Bun.sleep(20);
        controller.enqueue(bit);
      },
    });
  return Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: () => new Response(body(), { status }) });
}

for (const status of [200, 503])
  test(`an answer of ${status} that comes as a blank now and then, and never ends, is given up`, async () => {
    await using server = drip(" ", status);
    const env = { MLFLOW_HTTP_REQUEST_TIMEOUT: "0.6", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };
    const error = await findExperiment(connectQuickly(`http://127.0.0.1:${server.port}`, { env }), "Default").catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: expect.stringContaining(status === 200 ? "did not end within 2.4 s" : "503"),
    });
  });

test("a file that comes byte by byte for longer than the time limit is given up", async () => {
  await using server = drip("x", 200);
  const env = { MLFLOW_HTTP_REQUEST_TIMEOUT: "0.2", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1" };
  const reading = downloadArtifact(connectQuickly(`http://127.0.0.1:${server.port}`, { env }), "r", "f", { start() {}, take() {} });
  expect(await reading.catch((reason: unknown) => reason)).toMatchObject({
    code: "SERVER_UNREACHABLE",
    message: expect.stringContaining("no answer for 0.2 s"),
  });
});

const final: [what: string, fault: Fault, hint: RegExp][] = [
  ["403", { answer: "403 Forbidden", body: "not for you, run 429503" }, /permission/],
  ["401", { answer: "401 Unauthorized" }, /MLFLOW_TRACKING_USERNAME/],
  ["413", { answer: "413 Content Too Large" }, /client_max_body_size/],
  ["a redirect", { answer: "307 Temporary Redirect\r\nLocation: https://u:p@elsewhere/x?token=1" }, /sends us on to https:\/\/elsewhere: /],
  ["a page that is not MLflow's", { answer: "200 OK", body: "<html>welcome</html>" }, /prefix/],
  ["JSON that is not MLflow's", { answer: "200 OK", body: '{"experiment":{"experiment_id":7}}' }, /prefix/],
  ["the Host check of the real server", { rewrite: (head) => head.replace(/Host: [^\r]*/i, "Host: mlflow:5000") }, /--allowed-hosts/],
];
for (const [what, fault, hint] of final)
  live(`${what} is one try, with what to do about it`, async () => {
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => fault);
    const error = await findExperiment(connectQuickly(proxy.uri), "Default").catch((reason: unknown) => reason as CofferError);
    expect(error).toMatchObject({ code: "SERVER_REFUSED" });
    expect((error as CofferError).hint).toMatch(hint);
    expect(proxy.requests).toHaveLength(1);
  });

live("a wrong path prefix is said to be one", async () => {
  const error = await probeServer(connectQuickly(`${mlflow.proxied.uri}/wrong/`)).catch((reason: unknown) => reason as CofferError);
  expect(error).toMatchObject({ code: "SERVER_REFUSED", status: 404 });
  expect((error as CofferError).hint).toContain("path prefix");
});

live("what the server does not know is told apart by MLflow's own word", async () => {
  expect(await getRun(connectQuickly(mlflow.proxied.uri), "0".repeat(32)).catch((error: unknown) => error)).toMatchObject({
    code: "SERVER_REFUSED",
    status: 404,
    errorCode: "RESOURCE_DOES_NOT_EXIST",
  });
});

test("a port where nobody listens is unreachable after all tries, and no token is in the words", async () => {
  const connection = connectQuickly("http://127.0.0.1:1", {
    env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2", MLFLOW_TRACKING_TOKEN: "s3cr3t" },
  });
  const error = (await probeServer(connection).catch((reason: unknown) => reason)) as CofferError;
  expect(error).toMatchObject({ code: "SERVER_UNREACHABLE", exit: 3 });
  expect(error.message).toContain("(3 tries)");
  expect(Bun.inspect(error)).not.toContain("s3cr3t");
});

live("a deadline that passes while the server is busy makes it unreachable", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => ({ answer: "503 Busy\r\nRetry-After: 400" }));
  const error = await probeServer(connectQuickly(proxy.uri, { signal: AbortSignal.timeout(50) })).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "SERVER_UNREACHABLE",
    message: `${proxy.uri}: no time left for GET experiments/search (The operation timed out.): 503`,
  });
});
