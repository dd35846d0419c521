import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { CofferError } from "../../../src/domain/error.ts";
import { connect } from "../../../src/mlflow/http/connection.ts";
import { findExperiment } from "../../../src/mlflow/tracking/experiments.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { makeCertificates, terminateTls } from "../../support/tls-proxy.ts";
import type { Certificates, TlsProxy } from "../../support/tls-proxy.ts";
import { connectQuickly } from "../../support/quick-connection.ts";

const live = needsMlflow(test);
const stack = new AsyncDisposableStack();
let pems: Certificates;
const servers = {} as Record<"good" | "expired" | "elsewhere" | "asking", TlsProxy>;

beforeAll(async () => {
  // without a server all tests here are skipped
  if (process.env["COFFER_TEST_MLFLOW"] === undefined) return;
  pems = stack.use(makeCertificates(mlflow.proxied.python));
  const open = async (more: Parameters<typeof terminateTls>[2]) => stack.use(await terminateTls(mlflow.proxied.uri, pems, more));
  servers.good = await open({});
  servers.expired = await open({ shows: "expired" });
  servers.elsewhere = await open({ shows: "elsewhere" });
  servers.asking = await open({ asks: true });
});
afterAll(() => stack.disposeAsync());

/** The id of the experiment `Default`, or what went wrong. */
async function ask(uri: string, env: Record<string, string> = {}): Promise<string | CofferError> {
  const retries: unknown[] = [];
  const connection = connectQuickly(uri, { env, onRetry: (notice) => retries.push(notice) });
  const answer = await findExperiment(connection, "Default").catch((error: unknown) => error as CofferError);
  expect(retries).toEqual([]);
  return answer instanceof Error ? answer : (answer?.id as string);
}

live(
  "an authority that nobody knows is refused at the first try; named as a file or as a directory, or not looked at, it is taken",
  async () => {
    expect(await ask(servers.good.uri)).toMatchObject({
      code: "SERVER_REFUSED",
      hint: expect.stringContaining("MLFLOW_TRACKING_SERVER_CERT_PATH"),
    });
    using root = temporaryRoot();
    mkdirSync(root.at("authorities"));
    writeFileSync(root.at("authorities/ours.pem"), readFileSync(pems.authority));
    for (const env of [
      { MLFLOW_TRACKING_SERVER_CERT_PATH: pems.authority },
      { MLFLOW_TRACKING_SERVER_CERT_PATH: root.at("authorities") },
      { REQUESTS_CA_BUNDLE: pems.authority },
      { CURL_CA_BUNDLE: pems.authority },
      { MLFLOW_TRACKING_INSECURE_TLS: "true" },
      { MLFLOW_TRACKING_INSECURE_TLS: "true", REQUESTS_CA_BUNDLE: "/nonexistent" },
    ] as Record<string, string>[])
      expect(await ask(servers.good.uri, env)).toBe("0");
  },
);

live("a proxy that is reached by https shows a certificate as well, whatever the server behind it speaks", async () => {
  await using forward = Bun.serve({
    port: 0,
    fetch({ url }) {
      const { pathname, search } = new URL(url);
      return fetch(`${mlflow.proxied.uri}${pathname}${search}`);
    },
  });
  await using proxy = await terminateTls(`http://127.0.0.1:${forward.port}`, pems);
  const through = (env: Record<string, string> = {}) => ask("http://mlflow.invalid", { http_proxy: proxy.uri, ...env });
  expect(await through()).toMatchObject({ code: "SERVER_REFUSED", message: expect.stringContaining("CERT") });
  expect(await through({ REQUESTS_CA_BUNDLE: pems.authority })).toBe("0");
  expect(await through({ MLFLOW_TRACKING_INSECURE_TLS: "true" })).toBe("0");
});

live("a certificate that expired, or that is for another host, is refused as such", async () => {
  const env = { MLFLOW_TRACKING_SERVER_CERT_PATH: pems.authority };
  expect(await ask(servers.expired.uri, env)).toMatchObject({
    code: "SERVER_REFUSED",
    message: `${servers.expired.uri}: certificate has expired (CERT_HAS_EXPIRED)`,
    hint: expect.stringContaining("clock"),
  });
  for (const uri of [servers.elsewhere.uri, servers.good.uri.replace("localhost", "127.0.0.1")])
    expect(await ask(uri, env)).toMatchObject({
      code: "SERVER_REFUSED",
      message: expect.stringContaining("for another host name"),
      hint: expect.stringContaining("MLFLOW_TRACKING_URI"),
    });
  for (const { uri } of [servers.expired, servers.elsewhere]) expect(await ask(uri, { MLFLOW_TRACKING_INSECURE_TLS: "1" })).toBe("0");
});

live("a server that asks for a certificate gets ours, and without one the message says so", async () => {
  const env = { MLFLOW_TRACKING_SERVER_CERT_PATH: pems.authority };
  expect(await ask(servers.asking.uri, env)).toMatchObject({
    code: "SERVER_REFUSED",
    hint: expect.stringContaining("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
  });
  expect(servers.asking.clients).toEqual([]);
  expect(await ask(servers.asking.uri, { ...env, MLFLOW_TRACKING_CLIENT_CERT_PATH: pems.client })).toBe("0");
  expect(servers.asking.clients).toEqual(["eve"]);
});

live("https to a server of http is refused at the first try", async () => {
  expect(await ask(mlflow.proxied.uri.replace("http:", "https:"))).toMatchObject({
    code: "SERVER_REFUSED",
    hint: expect.stringContaining("begins with http://"),
  });
});

live("http to a server of https may pass, as any connection that broke, and its message says what it may be", async () => {
  const connection = connectQuickly(servers.good.uri.replace("https:", "http:"), { env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1" } });
  expect(await findExperiment(connection, "Default").catch((error: unknown) => error)).toMatchObject({
    code: "SERVER_UNREACHABLE",
    message: expect.stringContaining("the connection was closed before an answer came (ECONNRESET) (2 tries)"),
    hint: expect.stringContaining("begins with https://"),
  });
});

live("a certificate's file that is none, lacks its key or has that of another is found before anything is sent", () => {
  using root = temporaryRoot();
  const server = readFileSync(pems.server, "utf8");
  const key = /-----BEGIN PRIVATE KEY-----[^]*/.exec(readFileSync(pems.client, "utf8"))?.[0] as string;
  const files = {
    words: "nonsense",
    damaged: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    alone: readFileSync(pems.authority, "utf8"),
    mixed: server.replace(/-----BEGIN PRIVATE KEY-----[^]*/, key),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(root.at(name), text);
  for (const [variable, file, words] of [
    ["MLFLOW_TRACKING_SERVER_CERT_PATH", "words", "no certificate"],
    ["MLFLOW_TRACKING_SERVER_CERT_PATH", "damaged", "damaged"],
    ["MLFLOW_TRACKING_SERVER_CERT_PATH", "lacking", "no such file"],
    ["REQUESTS_CA_BUNDLE", "words", "no certificate"],
    ["MLFLOW_TRACKING_CLIENT_CERT_PATH", "alone", "private key"],
    ["MLFLOW_TRACKING_CLIENT_CERT_PATH", "mixed", "not that of its certificate"],
  ] as const) {
    const open = () => connect({ uri: "https://h", env: { HOME: "/nonexistent", [variable]: root.at(file) } });
    expect(open).toThrow(variable);
    expect(open).toThrow(words);
  }
});
