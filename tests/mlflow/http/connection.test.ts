import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { CofferError } from "../../../src/domain/error.ts";
import { connect, runPage } from "../../../src/mlflow/http/connection.ts";
import type { Environment } from "../../../src/mlflow/http/environment.ts";

const open = (uri: string, env: Environment = {}) => connect({ uri, env: { HOME: "/nonexistent", ...env } });

for (const [uri, shown] of [
  ["http://localhost:5000", "http://localhost:5000"],
  ["https://host/", "https://host"],
  [" http://host:80/mlflow/team// ", "http://host/mlflow/team"],
  ["https://user:secret@host:8443/p?q=1#x", "https://host:8443/p"],
  ["\ufeffhttp://host:5000", "http://host:5000"],
] as const)
  test(`the address of ${uri.replace("secret", "…")} keeps its prefix and nothing secret`, () => expect(open(uri).displayUri).toBe(shown));

for (const [uri, code] of [
  ["", "NO_TRACKING_URI"],
  ["sqlite:///home/mlflow.db", "CONFIG_INVALID"],
  ["postgresql://u:hunter2@db/mlflow", "CONFIG_INVALID"],
  ["databricks", "CONFIG_INVALID"],
  ["./mlruns", "CONFIG_INVALID"],
  ["http://u:hunter2#x@host", "CONFIG_INVALID"],
  ["http://host:99999", "CONFIG_INVALID"],
  ["http://", "CONFIG_INVALID"],
] as const)
  test(`${uri === "" ? "an empty tracking URI" : uri.replace("hunter2", "…")} is refused, and its password is not repeated`, () => {
    const error = thrown(() => open(uri));
    expect(error.code).toBe(code);
    expect(error.message + error.hint).not.toContain("hunter2");
  });

test("no way of printing a connection shows a password or token", () => {
  const secret = "s3cr3t-word";
  const encoded = Buffer.from(`u:${secret}`).toString("base64");
  for (const connection of [open(`http://u:${secret}@host`), open("http://host", { MLFLOW_TRACKING_TOKEN: secret })]) {
    expect(connection.headers()["authorization"]).toMatch(/^(Basic|Bearer) /);
    for (const text of [inspect(connection, { depth: 9 }), JSON.stringify(connection)]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(encoded);
    }
    expect(connection.scrub(`they echo ${connection.headers()["authorization"]} and ${secret}`)).toMatch(
      /^they echo (Basic|Bearer) \*\*\* and \*\*\*$/,
    );
  }
});

test("the workspace goes along as a header, an empty one does not", () => {
  expect(open("http://h", { MLFLOW_WORKSPACE: "team" }).headers()).toEqual({ "x-mlflow-workspace": "team" });
  expect(open("http://h", { MLFLOW_WORKSPACE: "" }).headers()).toEqual({});
});

test("the retry settings are those of MLflow's variables", () => {
  expect(open("http://h").retry).toEqual({ times: 7, factor: 2, jitter: 1, respectRetryAfter: true });
  expect(open("http://h").timeout).toBe(120_000);
  const set = open("http://h", {
    MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2",
    MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0",
    MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0.5",
    MLFLOW_HTTP_REQUEST_TIMEOUT: "9",
    MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: "False",
  });
  expect(set.retry).toEqual({ times: 2, factor: 0, jitter: 0.5, respectRetryAfter: false });
  expect(set.timeout).toBe(9000);
  expect(() => open("http://h", { MLFLOW_HTTP_REQUEST_TIMEOUT: "soon" })).toThrow(/MLFLOW_HTTP_REQUEST_TIMEOUT/);
  expect(() => open("http://h", { MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: "maybe" })).toThrow(/true, false|maybe/);
});

test("skipping the certificate check and naming a certificate exclude each other", () => {
  expect(thrown(() => open("https://h", { MLFLOW_TRACKING_INSECURE_TLS: "true", MLFLOW_TRACKING_SERVER_CERT_PATH: "/x.pem" })).code).toBe(
    "CONFIG_INVALID",
  );
  expect(open("https://h", { MLFLOW_TRACKING_INSECURE_TLS: "1" }).tls?.()).toEqual({ rejectUnauthorized: false });
  expect(thrown(() => open("https://h", { MLFLOW_TRACKING_CLIENT_CERT_PATH: "/nonexistent/x.pem" })).message).toContain(
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
  );
});

test("certificates are read where there is https on the way, to the server or to its proxy, and nowhere else", () => {
  const env = { REQUESTS_CA_BUNDLE: "/nonexistent/authorities.pem" };
  expect(open("http://h", env).tls).toBeUndefined();
  expect(open("http://h", { ...env, http_proxy: "http://p:3128" }).tls).toBeUndefined();
  expect(thrown(() => open("https://h", env)).message).toContain("REQUESTS_CA_BUNDLE");
  expect(thrown(() => open("http://h", { ...env, http_proxy: "https://p:3128" })).message).toContain("REQUESTS_CA_BUNDLE");
  expect(
    thrown(() => open("http://h", { MLFLOW_TRACKING_INSECURE_TLS: "true", MLFLOW_TRACKING_SERVER_CERT_PATH: "/x.pem" })).message,
  ).toContain("exclude each other");
});

test("a run's page is below the path prefix", () => {
  expect(runPage(open("http://u:p@h/ml/"), "3", "abc")).toBe("http://h/ml/#/experiments/3/runs/abc");
});

function thrown(act: () => unknown): CofferError {
  try {
    act();
  } catch (error) {
    if (error instanceof CofferError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("a percent sign in a proxy's password is one, where nobody wrote it as it should be", () => {
  const { scrub, proxyTo } = connect({ uri: "http://h:1", env: { HOME: "/nonexistent", http_proxy: "http://user:100%sure@proxy:3128" } });
  expect([proxyTo("http://h:1")?.name, scrub("said 100%sure")]).toEqual(["http://proxy:3128", "said ***"]);
});
