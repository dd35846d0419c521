import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

const live = needsMlflow(test);
const USER = { MLFLOW_TRACKING_USERNAME: "eve", MLFLOW_TRACKING_PASSWORD: "env-word" };
const TOKEN = { MLFLOW_TRACKING_TOKEN: "tok" };
const FILE = "[mlflow]\nmlflow_tracking_username = fred\nmlflow_tracking_password = file-word\n";
const NETRC = "machine 127.0.0.1 login nina password net-word\n";

interface Case {
  what: string;
  /** Before the host. */
  user?: string;
  env?: Record<string, string>;
  /** ~/.mlflow/credentials */
  file?: string;
  /** ~/.netrc */
  netrc?: string;
  /** PROXY and SERVER stand for their addresses. */
  proxies?: Record<string, string>;
  https?: true;
  /** Before anything is sent. */
  fails?: true;
  /** What the server always says. */
  status?: number;
  host?: string;
}

const cases: Case[] = [
  { what: "nothing" },
  { what: "the URL", user: "u:p@" },
  { what: "the URL, encoded", user: "u%40x:p%3Aw%2F@" },
  { what: "the URL, without a password", user: "u@", env: TOKEN },
  { what: "the URL, with an empty password", user: "u:@", env: TOKEN },
  { what: "the URL, with an empty user", user: ":p@", env: TOKEN },
  { what: "the URL before everything else", user: "u:p@", env: { ...USER, ...TOKEN }, file: FILE },
  { what: "the environment", env: USER },
  { what: "the environment in UTF-8", env: { MLFLOW_TRACKING_USERNAME: "é", MLFLOW_TRACKING_PASSWORD: "日" } },
  { what: "user and password before the token", env: { ...USER, ...TOKEN } },
  { what: "the token where there is only a user", env: { MLFLOW_TRACKING_USERNAME: "eve", ...TOKEN } },
  { what: "the token", env: TOKEN },
  { what: "empty variables", env: { MLFLOW_TRACKING_USERNAME: "", MLFLOW_TRACKING_PASSWORD: "", ...TOKEN } },
  { what: "an empty token", env: { MLFLOW_TRACKING_TOKEN: "" } },
  { what: "the file", file: FILE },
  { what: "the file before the token", file: FILE, env: TOKEN },
  { what: "the environment before the file", file: FILE, env: USER },
  { what: "the environment's user with the file's password", file: FILE, env: { MLFLOW_TRACKING_USERNAME: "eve" } },
  { what: "a file with a user alone", file: "[mlflow]\nmlflow_tracking_username=f\n", env: TOKEN },
  { what: "a file with DEFAULT alone", file: "[DEFAULT]\nmlflow_tracking_username=f\nmlflow_tracking_password=p\n" },
  { what: "a file with DEFAULT beneath", file: "[DEFAULT]\nmlflow_tracking_password=p\n[mlflow]\nMLFLOW_Tracking_Username: f\n" },
  { what: "a file with signs", file: "[mlflow]\nmlflow_tracking_username = f # g\nmlflow_tracking_password = a%%b = c: ; d\n" },
  {
    what: "a file that refers to itself",
    file: "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=%(MLFLOW_tracking_username)s-w\n",
  },
  { what: "a file with a value on two lines", file: "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=a\n  b\n" },
  { what: "another section", file: "[other]\nmlflow_tracking_username=f\nmlflow_tracking_password=p\n" },
  { what: "a file without a section", file: "mlflow_tracking_username=f\n", fails: true },
  { what: "a file with a key twice", file: `${FILE}mlflow_tracking_password = again\n`, user: "u:p@", fails: true },
  { what: "a file with a word alone", file: `${FILE}nonsense\n`, fails: true },
  { what: "a file with a lonely percent sign", file: "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=50%\n", fails: true },
  { what: "a switch that is no switch", env: { MLFLOW_TRACKING_AWS_SIGV4: "maybe" }, fails: true },
  { what: "retries that are no number", env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "few" }, fails: true },
  {
    what: "both ways to take a certificate",
    env: { MLFLOW_TRACKING_INSECURE_TLS: "true", MLFLOW_TRACKING_SERVER_CERT_PATH: "/x" },
    fails: true,
  },
  { what: ".netrc", netrc: NETRC },
  { what: ".netrc before the token", netrc: NETRC, env: TOKEN },
  { what: ".netrc before the environment", netrc: NETRC, env: USER },
  { what: ".netrc before the URL", netrc: NETRC, user: "u:p@" },
  { what: ".netrc for another host", netrc: "machine elsewhere login a password b\n", env: TOKEN },
  {
    what: ".netrc with a default, comments and macros",
    netrc: `# c\nmacdef init\ncd /\n\nmachine x\n login a\n password b\ndefault login "d d" account k password e#f\n`,
  },
  { what: ".netrc without a login", netrc: "machine 127.0.0.1 account acc password w\n", env: TOKEN },
  { what: ".netrc that is broken", netrc: "machine 127.0.0.1 login a password b\nnonsense\n", env: TOKEN },
  { what: "NETRC", env: { NETRC: "HOME/other" }, netrc: NETRC },
  { what: "a workspace", env: { MLFLOW_WORKSPACE: " team " } },
  { what: "a blank workspace", env: { MLFLOW_WORKSPACE: "  " } },
  { what: "http_proxy", proxies: { http_proxy: "PROXY" } },
  { what: "HTTP_PROXY", proxies: { HTTP_PROXY: "PROXY" } },
  { what: "HTTP_PROXY where http_proxy is empty", proxies: { HTTP_PROXY: "PROXY", http_proxy: "" } },
  { what: "the small letters first", proxies: { HTTP_PROXY: "http://127.0.0.1:1", http_proxy: "PROXY" } },
  { what: "ALL_PROXY", proxies: { ALL_PROXY: "PROXY" } },
  { what: "http_proxy before all_proxy", proxies: { all_proxy: "http://127.0.0.1:1", http_proxy: "PROXY" } },
  { what: "https_proxy, which is for others", proxies: { https_proxy: "PROXY" } },
  { what: "a proxy's user and password", proxies: { http_proxy: "USER:PASS" }, env: TOKEN },
  { what: "a proxy without a scheme", proxies: { http_proxy: "BARE" } },
  { what: "HTTP_PROXY in a CGI script", proxies: { HTTP_PROXY: "PROXY" }, env: { REQUEST_METHOD: "GET" } },
  ...["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8,127.0.0.2", "*", "other, 127.0.0.1", "127.0.0.1:PORT", "127.0.0.1:1", ".0.0.1", "0.0.1"].map(
    (list) => ({ what: `no_proxy=${list}`, proxies: { http_proxy: "PROXY", no_proxy: list } }),
  ),
  ...["localhost", ".localhost", "host", "localhost:PORT", "localhost:1", "LOCALHOST", "127.0.0.1", "ocalhost"].map((list) => ({
    what: `NO_PROXY=${list} for localhost`,
    host: "localhost",
    proxies: { http_proxy: "PROXY", NO_PROXY: list },
  })),
  { what: "no_proxy before NO_PROXY", proxies: { http_proxy: "PROXY", no_proxy: "x", NO_PROXY: "*" } },
  { what: "an empty no_proxy", proxies: { http_proxy: "PROXY", no_proxy: "", NO_PROXY: "*" } },
  { what: "https through https_proxy", https: true, proxies: { https_proxy: "PROXY" } },
  { what: "https through a proxy with a password", https: true, proxies: { HTTPS_PROXY: "USER:PASS" }, env: TOKEN },
  ...[400, 401, 403, 404, 408, 409, 412, 429, 500, 501, 502, 503, 504].map((status) => ({
    what: `repetitions after ${status}`,
    status,
    env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0" },
  })),
  { what: "https through all_proxy", https: true, proxies: { all_proxy: "PROXY" } },
];

live(
  "who we are, which way a request takes and how often it is repeated is what MLflow's own client makes of the same variables and files",
  async () => {
    using root = temporaryRoot();
    await using server = await recorder((nth) => cases[nth]?.status ?? 200);
    await using proxy = await recorder();
    const given = cases.map((one, nth) => ({
      uri: uriOf(one, nth, server.port),
      env: environmentOf(one, nth, root, server.port, proxy.port),
    }));
    const heard: Record<string, (string[] | undefined)[]> = {};
    const ends: Record<string, string[]> = {};
    for (const [who, command] of [
      ["official", [mlflow.proxied.python, join(import.meta.dir, "official_requests.py")]],
      ["ours", [process.execPath, join(import.meta.dir, "our-requests.ts")]],
    ] as [string, string[]][]) {
      server.heard.clear();
      proxy.heard.clear();
      const child = Bun.spawn(command, {
        stdin: Buffer.from(JSON.stringify(given)),
        stdout: "pipe",
        stderr: "pipe",
        env: { PATH: process.env["PATH"] ?? "", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0", MLFLOW_DISABLE_TELEMETRY: "true" },
      });
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
      if (out === "") throw new Error(err);
      ends[who] = JSON.parse(out) as string[];
      heard[who] = cases.map((_, nth) => [...(server.heard.get(nth) ?? ["-"]), ...(proxy.heard.get(nth) ?? ["-"])]);
    }
    const told = (who: string) => cases.map(({ what }, nth) => `${what}: ${heard[who]?.[nth]?.join(" | ")}`);
    expect(told("ours")).toEqual(told("official"));
    // what never came anywhere would agree as well
    expect(cases.filter(({ fails }, nth) => (heard["official"]?.[nth]?.join() === "-,-") !== (fails ?? false))).toEqual([]);
    const ended = (who: string) => cases.map(({ what }, nth) => `${what}: ${ends[who]?.[nth] === "done" ? "answered" : "failed"}`);
    expect(ended("ours")).toEqual(ended("official"));
  },
);

function uriOf({ user = "", https, host = "127.0.0.1" }: Case, nth: number, port: number): string {
  return https ? `https://${user}case-${nth}.invalid` : `http://${user}${host}:${port}/case-${nth}`;
}

function environmentOf(
  { env, file, netrc, proxies }: Case,
  nth: number,
  root: TemporaryRoot,
  server: number,
  proxy: number,
): Record<string, string> {
  const home = root.at(`home-${nth}`);
  mkdirSync(join(home, ".mlflow"), { recursive: true });
  if (file !== undefined) writeFileSync(join(home, ".mlflow/credentials"), file);
  if (netrc !== undefined) writeFileSync(join(home, env?.["NETRC"] === undefined ? ".netrc" : "other"), netrc);
  const all = { ...env, ...proxies };
  const spelled = Object.entries(all).map(([name, value]): [string, string] => [
    name,
    value
      .replace("HOME", home)
      .replace(/\bPORT/, String(server))
      .replace("PROXY", `http://127.0.0.1:${proxy}`)
      .replace("BARE", `127.0.0.1:${proxy}`)
      .replace("USER:PASS", `http://pu:p%40w@127.0.0.1:${proxy}`),
  ]);
  return { HOME: home, ...Object.fromEntries(spelled) };
}

/** A server, or a proxy, that notes what it is told of who asks, by the number of the case. */
async function recorder(
  statusOf: (nth: number) => number = () => 200,
): Promise<{ port: number; heard: Map<number, string[]> } & AsyncDisposable> {
  const heard = new Map<number, string[]>();
  const note = (request: IncomingMessage): void => {
    // with a workspace, MLflow's client asks first whether there are any; coffer is told by the answer to its first request
    if (request.url?.endsWith("/server-info")) return;
    const nth = numberOf(request);
    const { authorization, "proxy-authorization": toProxy, "x-mlflow-workspace": workspace } = request.headers;
    const where = request.method === "CONNECT" ? "tunnel" : request.url?.startsWith("http") ? "whole" : "path";
    const words = `${where} ${[authorization, toProxy, workspace].map((value) => (value === undefined ? "-" : decoded(String(value)))).join(" ")}`;
    heard.set(nth, [...(heard.get(nth) ?? []), words]);
  };
  const server = createServer((request, response) => {
    note(request);
    response.writeHead(statusOf(numberOf(request)), { "content-type": "application/json" });
    response.end(
      JSON.stringify({ workspaces_enabled: true, experiment: { experiment_id: "0", name: "Default", lifecycle_stage: "active" } }),
    );
  });
  server.on("connect", (request: IncomingMessage, socket) => {
    note(request);
    socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    heard,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function numberOf({ url = "" }: IncomingMessage): number {
  return Number(/case-(\d+)/.exec(url)?.[1]);
}

function decoded(header: string): string {
  return header.startsWith("Basic ") ? `Basic ${JSON.stringify(Buffer.from(header.slice(6), "base64").toString())}` : header;
}
