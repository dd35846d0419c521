import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { faultyProxy } from "../support/faulty-proxy.ts";
import type { Fault } from "../support/faulty-proxy.ts";
import { ask, seenOn } from "../support/told.ts";
import { coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { tlsProxy } from "../support/tls-proxy.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

// what can be sent again as often as one likes, and is refused each time: one request, though there are two runs, and what to do

const live = needsMlflow(test);
const SECRET = "s3cr3t-word";
let root: TemporaryRoot;

beforeAll(async () => {
  root = await twoRuns();
});
afterAll(() => root[Symbol.dispose]());

async function twoRuns(): Promise<TemporaryRoot> {
  const place = temporaryRoot();
  for (const bytes of ["one", "a longer one"]) {
    const line = `printf %s '${bytes}' >"$COFFER_WORKSPACE/file"; printf x >"$COFFER_WORKSPACE/other"`;
    await coffer(["run", "--", "sh", "-c", line], { root: place.at("store"), cwd: place.path });
  }
  return place;
}

/** With MLflow's own patience: seven repetitions would be seen. */
function sync(uri: string, env: Record<string, string> = {}, place = root): Promise<CofferResult> {
  return coffer(["sync-mlflow"], {
    root: place.at("store"),
    cwd: place.path,
    env: { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: "refused", ...env },
  });
}

function expectRefused({ code, stderr }: CofferResult, hint: string): void {
  expect(stderr).toContain(hint);
  expect(stderr).toContain("2 runs not wholly delivered");
  expect(stderr).not.toContain("again in");
  // said once, not of each run
  expect(stderr.split("is refused: ")).toHaveLength(2);
  expect(stderr).not.toContain(SECRET);
  expect(code).toBe(3);
}

const strangers: [what: string, answer: (host: string) => [status: number, headers: Record<string, string>, body: string], hint: string][] =
  [
    [
      "another web application",
      () => [200, { "content-type": "text/html" }, "<!doctype html><title>Wiki</title>"],
      "check host, port and path prefix",
    ],
    ["another API", () => [200, { "content-type": "application/json" }, '{"status":"ok"}'], "check host, port and path prefix"],
    ["another server's 404", () => [404, {}, "<html><title>404 Not Found</title></html>"], "check host, port and path prefix"],
    ["a server that knows only GET /", () => [405, {}, "Method Not Allowed"], "check host, port and path prefix"],
    ["a login page", () => [302, { location: `https://login.example/?state=${SECRET}` }, ""], "sends us on to https://login.example:"],
    ["a move to https", (host) => [301, { location: `https://${host}/` }, ""], "sends us on to https://127.0.0.1:"],
    [
      "a port that wants https",
      () => [400, {}, "<title>400 The plain HTTP request was sent to HTTPS port</title>"],
      "begins with https://",
    ],
    ["a proxy that wants a login", () => [407, {}, ""], "http://USER:PASSWORD@HOST:PORT"],
  ];
for (const [what, answer, hint] of strangers)
  test(`${what} is no MLflow: exit 3 after one request, and what to look at`, async () => {
    await using stranger = await stub(answer);
    expectRefused(await sync(stranger.uri.replace("//", `//eve:${SECRET}@`)), hint);
    expect(stranger.requests).toHaveLength(1);
  });

const faults: [what: string, fault: Fault, hint: string][] = [
  [
    "a server that is called by a name that it does not know",
    { rewrite: (head) => head.replace(/Host: [^\r]*/i, "Host: mlflow:5000") },
    "--allowed-hosts",
  ],
  ["no login", { answer: "401 Unauthorized" }, "set MLFLOW_TRACKING_USERNAME"],
];
for (const [what, fault, hint] of faults)
  live(`${what} is one request, and said`, async () => {
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => fault);
    expectRefused(await sync(proxy.uri), hint);
    expect(proxy.requests).toHaveLength(1);
  });

live("a wrong path prefix of a real server is named as the likely cause", async () => {
  for (const wrong of ["/wrong", "/api/2.0/mlflow"]) {
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
    expectRefused(await sync(`${proxy.uri}${wrong}`), "check host, port and path prefix of MLFLOW_TRACKING_URI");
    expect(proxy.requests).toHaveLength(1);
  }
});

test("a proxy that refuses to pass a request on is named, without its password", async () => {
  for (const [status, hint] of [
    [407, "the proxy wants a login"],
    [403, "in NO_PROXY to go without it"],
  ] as const) {
    await using proxy = await stub(() => [status, {}, "<html>no</html>"]);
    const through = proxy.uri.replace("//", `//eve:${SECRET}@`);
    for (const uri of ["http://mlflow.example:5000", "https://mlflow.example"]) {
      const result = await sync(uri, { http_proxy: through, https_proxy: through });
      expectRefused(result, hint);
      if (status === 403) expect(result.stderr).toContain(`the proxy ${proxy.uri} `);
    }
    expect(proxy.requests).toEqual(["GET http://mlflow.example:5000/api/2.0/mlflow/experiments/get-by-name", "CONNECT mlflow.example:443"]);
  }
});

live("https to a port of http is refused at once", async () => {
  expectRefused(await sync(mlflow.proxied.uri.replace("http://", `https://eve:${SECRET}@`)), "begins with http://");
});

live("a certificate that nobody vouches for is one try, and the variable that helps is named", async () => {
  await using tls = await tlsProxy(mlflow.proxied.uri, mlflow.proxied.python);
  expectRefused(await sync(tls.uri.replace("//", `//eve:${SECRET}@`)), "MLFLOW_TRACKING_SERVER_CERT_PATH");
  using own = await twoRuns();
  expect((await sync(tls.uri, { MLFLOW_TRACKING_SERVER_CERT_PATH: tls.certificate }, own)).code).toBe(0);
});

for (const [what, uri, env, words] of [
  ["a port where nobody listens", "http://127.0.0.1:1", {}, "nobody listens there (ECONNREFUSED)"],
  ["a host that nobody knows", "http://no-such-host.invalid:5000", {}, "no host is known by the name no-such-host.invalid"],
  [
    "a proxy that is not there",
    "http://mlflow.example",
    { http_proxy: `http://eve:${SECRET}@127.0.0.1:1` },
    "through the proxy http://127.0.0.1:1",
  ],
] as const)
  test(`${what} is tried again, then exit 3 with its name`, async () => {
    const result = await sync(uri, { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0", ...env });
    expect([result.code, result.stderr]).toEqual([3, expect.stringContaining(words)]);
    expect(result.stderr).toContain("(2 tries)");
    expect(result.stderr).toContain("is pending: ");
    expect(result.stderr).not.toContain(SECRET);
  });

for (const [uri, words, env] of [
  ["databricks://profile", "no http or https address: “databricks://profile”", {}],
  ["file:///tmp/mlruns", "coffer talks to a server", {}],
  [`postgresql://eve:${SECRET}@db/mlflow`, "no http or https address: “postgresql://db/mlflow”", {}],
  [`mysql://db/mlflow?password=${SECRET}`, "address: “mysql://db/mlflow?…”", {}],
  [`mysql://db/mlflow?password=a@${SECRET}`, "address: “mysql://…”", {}],
  [`databricks://profile:${SECRET}`, "address: “databricks://profile:…”", {}],
  ["localhost:5000", "write http://localhost:5000", {}],
  [`http://eve:${SECRET}#@host:5000`, "the MLflow tracking URI is malformed", {}],
  ["http://h", "MLFLOW_TRACKING_AUTH is set", { MLFLOW_TRACKING_AUTH: "kubernetes" }],
  ["http://h", "ALL_PROXY is no http or https address", { all_proxy: `socks5://eve:${SECRET}@h:1080` }],
  ["https://h", "exclude each other", { MLFLOW_TRACKING_INSECURE_TLS: "true", MLFLOW_TRACKING_SERVER_CERT_PATH: "/x" }],
  ["http://h", "MLFLOW_HTTP_REQUEST_TIMEOUT is “soon”", { MLFLOW_HTTP_REQUEST_TIMEOUT: "soon" }],
] as [string, string, Record<string, string>][])
  test(`wrong configuration is exit 2 (${words})`, async () => {
    const before = await waiting();
    const { code, stderr } = await sync(uri, env);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain(SECRET);
    expect(code).toBe(2);
    // nothing waits for a server that cannot be
    expect(await waiting()).toBe(before);
  });

live("a proxy that limits bodies costs the large file alone; the run ends, and the rest of it is there", async () => {
  await using proxy = await bodyLimit(mlflow.proxied.uri, 5);
  using own = await twoRuns();
  const result = await sync(proxy.uri, {}, own);
  expect(result.code).toBe(3);
  expect(result.stderr).toContain("client_max_body_size");
  expect(result.stderr).not.toContain("again in");
  expect(proxy.refused).toEqual(["file"]);
});

live("a server that was started again with --no-serve-artifacts says so for each run, whose other steps are done", async () => {
  // artifacts go to a real server that serves none, all else to one that does
  await using both = await router((path) => (path.includes("/mlflow-artifacts/") ? mlflow.shared.uri : mlflow.proxied.uri));
  using own = await twoRuns();
  const result = await sync(both.uri, {}, own);
  expect(result.code).toBe(3);
  expect(result.stderr).toContain("the server runs with --no-serve-artifacts: start it without");
  expect(result.stderr).not.toContain("again in");
  const runs = (await coffer(["runs", "--json"], { root: own.at("store") })).json<{ runs: { id: string }[] }>().runs;
  for (const run of runs) expect(await seenOn(mlflow.proxied.uri, run)).toMatchObject([{ status: "FINISHED", artifacts: {} }]);
});

live("a deleted experiment is one request, and said with its two remedies", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  const name = `gone ${Bun.randomUUIDv7()}`;
  const { experiment_id } = await ask<{ experiment_id: string }>(mlflow.proxied.uri, "experiments/create", { name });
  await ask(mlflow.proxied.uri, "experiments/delete", { experiment_id });
  const { code, stderr } = await sync(proxy.uri, { MLFLOW_EXPERIMENT_NAME: name });
  expect([code, stderr]).toEqual([3, expect.stringContaining("sync-mlflow --restore, or set another with MLFLOW_EXPERIMENT_NAME")]);
  expect(proxy.requests).toHaveLength(1);
});

async function waiting(): Promise<number> {
  return (await coffer(["stats", "--json"], { root: root.at("store") })).json<{ uploads: { waiting: number } }>().uploads.waiting;
}

interface Stub extends AsyncDisposable {
  uri: string;
  requests: string[];
}

/** Something that listens, and gives everybody the same answer; to those who want a tunnel, too. */
async function stub(answer: (host: string) => [status: number, headers: Record<string, string>, body: string]): Promise<Stub> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url?.replace(/\?.*/, "")}`);
    const [status, headers, body] = answer(request.headers.host ?? "");
    response.writeHead(status, headers).end(body);
  });
  server.on("connect", (request: { url: string; headers: { host: string } }, socket: { end(text: string): void }) => {
    requests.push(`CONNECT ${request.url}`);
    socket.end(`HTTP/1.1 ${answer(request.headers.host)[0]} No\r\nContent-Length: 0\r\n\r\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Passes each request on to the server that its path belongs to. */
async function router(
  target: (path: string) => string,
  refuse: (request: Request) => boolean = () => false,
): Promise<{ uri: string } & AsyncDisposable> {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = await request.arrayBuffer();
      if (refuse(request)) return new Response("<html><title>413 Request Entity Too Large</title></html>", { status: 413 });
      const headers = new Headers(request.headers);
      headers.delete("host");
      return fetch(target(pathname) + pathname + search, {
        method: request.method,
        headers,
        ...(body.byteLength > 0 && { body }),
        proxy: false,
      });
    },
  });
  return { uri: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

async function bodyLimit(target: string, bytes: number): Promise<{ uri: string; refused: string[] } & AsyncDisposable> {
  const refused: string[] = [];
  const passing = await router(
    () => target,
    (request) => {
      if (request.method !== "PUT" || Number(request.headers.get("content-length")) <= bytes) return false;
      refused.push(request.url.split("/").at(-1) as string);
      return true;
    },
  );
  return { ...passing, refused };
}
