// what may stand between us and a server, each on a line of its own
import { expect, test } from "bun:test";
import { ADMIN } from "../../scripts/mlflow/guarded.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import type { Fault } from "../support/faulty-proxy.ts";
import { mlflow, needsGuarded, needsMlflow } from "../support/mlflow.ts";
import { tlsProxy } from "../support/tls-proxy.ts";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";

const live = needsMlflow(test);

const real = "GET /api/2.0/mlflow/experiments/search";
const troubles: [what: string, fault: (request: string) => Fault, line: string, words: RegExp][] = [
  [
    "a name that the server does not answer to",
    () => ({ rewrite: (head) => head.replace(/Host: [^\r]*/i, "Host: mlflow:5000") }),
    "host name",
    /Invalid Host header.* → .*--allowed-hosts/,
  ],
  [
    "a login that is missing",
    (request) => (request === real ? { answer: "401 Unauthorized" } : undefined),
    "login",
    /wants to know who we are, and nothing here says so .* → .*set MLFLOW_TRACKING_USERNAME/,
  ],
  ["a user who may not", (request) => (request === real ? { answer: "403 Forbidden" } : undefined), "permission", / → .*may not do/],
  [
    "a page that is not MLflow's",
    (request) => (request === real ? { answer: "200 OK", body: "<html>welcome</html>" } : undefined),
    "answers",
    / → .*prefix/,
  ],
  ["a server that is starting", () => ({ answer: "503 Busy" }), "reachable", /503.* → /],
  ["a server that says nothing", () => ({ stall: true }), "reachable", /no answer for 0\.3 s/],
];
for (const [what, fault, line, words] of troubles)
  live(`${what} is told on a line of its own, and nothing more is asked`, async () => {
    using here = place();
    await using proxy = await faultyProxy(mlflow.proxied.uri, fault);
    const seen = await examine(here, { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_HTTP_REQUEST_TIMEOUT: "0.3" });
    expect([seen.code, seen.of("server", line)]).toEqual([1, expect.stringMatching(words)]);
    expect(seen.findings.filter(({ state }) => state === "fail")).toHaveLength(1);
    expect(seen.findings.at(-1)?.what).toBe(line);
  });

needsGuarded(test)("a server that wants a login says whether it takes ours", async () => {
  using here = place();
  const { uri } = mlflow.guarded;
  const missing = await examine(here, { MLFLOW_TRACKING_URI: uri });
  expect([missing.code, missing.of("server", "login")]).toEqual([
    1,
    expect.stringContaining("wants to know who we are, and nothing here says so"),
  ]);
  const env = { MLFLOW_TRACKING_URI: uri, MLFLOW_TRACKING_USERNAME: ADMIN.user };
  const wrong = await examine(here, { ...env, MLFLOW_TRACKING_PASSWORD: "wr0ng" });
  expect([wrong.code, wrong.of("server", "login")]).toEqual([
    1,
    expect.stringContaining("does not accept user “admin” of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD ("),
  ]);
  const right = await examine(here, { ...env, MLFLOW_TRACKING_PASSWORD: ADMIN.password });
  expect([right.code, right.of("server", "login")]).toEqual([0, expect.stringContaining("the server accepts user “admin” of")]);
  expect(JSON.stringify([missing, wrong, right])).not.toMatch(/wr0ng|long enough/);
});

live("a server that takes its time to check a password is said to, with what makes it faster", async () => {
  using here = place();
  using slow = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      if (!request.headers.has("authorization")) return new Response("who?", { status: 401 });
      await Bun.sleep(300);
      const { pathname, search } = new URL(request.url);
      const body = await request.text();
      return fetch(mlflow.proxied.uri + pathname + search, {
        method: request.method,
        headers: { "content-type": "application/json" },
        ...(body !== "" && { body }),
      });
    },
  });
  const seen = await examine(here, { MLFLOW_TRACKING_URI: `http://eve:s3cr3t@127.0.0.1:${slow.port}` });
  expect([seen.code, seen.of("server", "login")]).toEqual([
    0,
    expect.stringMatching(
      /^warn: the server accepts user “eve” of the tracking URI, and takes .* a call to do so → .*auth_cache_ttl_seconds/,
    ),
  ]);
});

live("a certificate that nobody vouches for is told; named, or not looked at, it is fine, or worth a warning", async () => {
  using here = place();
  await using proxy = await tlsProxy(mlflow.proxied.uri, mlflow.proxied.python);
  const unknown = await examine(here, { MLFLOW_TRACKING_URI: proxy.uri });
  expect([unknown.code, unknown.of("server", "encryption")]).toEqual([
    1,
    expect.stringMatching(/^fail: .*MLFLOW_TRACKING_SERVER_CERT_PATH/),
  ]);
  expect(unknown.findings.at(-1)?.what).toBe("encryption");
  const named = await examine(here, { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_TRACKING_SERVER_CERT_PATH: proxy.certificate });
  expect([named.code, named.of("server", "encryption")]).toEqual([
    0,
    `ok: the server's certificate is good for the authority in ${proxy.certificate}`,
  ]);
  const ignored = await examine(here, { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_TRACKING_INSECURE_TLS: "true" });
  expect([ignored.code, ignored.of("server", "encryption")]).toEqual([0, expect.stringMatching(/^warn: .* → name its authority/)]);
});

live("of a path that is too long the right one is found", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const seen = await examine(here, { MLFLOW_TRACKING_URI: `${uri}/mlflow/api/` });
  expect([seen.code, seen.of("server", "path")]).toEqual([
    1,
    expect.stringContaining(` → MLflow answers at ${uri}: set MLFLOW_TRACKING_URI to that`),
  ]);
});

test("an address that is none, a port where nobody listens, credentials that go in the open", async () => {
  using here = place();
  const none = await examine(here, { MLFLOW_TRACKING_URI: "sqlite:///mlflow.db" });
  expect([none.code, none.of("server", "address")]).toEqual([1, expect.stringContaining("→ coffer talks to a server")]);
  const closed = await examine(here, { MLFLOW_TRACKING_URI: "http://127.0.0.1:9" });
  expect([closed.code, closed.of("server", "reachable")]).toEqual([1, expect.stringMatching(/^fail: .* → is the server running/)]);
  const open = await examine(here, { MLFLOW_TRACKING_URI: "http://eve:s3cr3t@mlflow.invalid" });
  expect(open.of("server", "encryption")).toMatch(/^warn: /);
  expect(JSON.stringify(open.findings)).not.toContain("s3cr3t");
});
