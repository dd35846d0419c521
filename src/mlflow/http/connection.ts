/**
 * MLflow's REST API in MLflow's words. This folder is the only place that speaks HTTP; it knows nothing of coffer's store.
 *
 * `http/` knows who we are and how to ask again, `tracking/` experiments, runs and what is logged to them, `artifacts/` the ways of files.
 * `connect()` gives a `Connection`, a plain value, and every verb takes it first.
 * A caller that has less time makes a copy: `{ ...connection, signal: AbortSignal.timeout(30_000) }`.
 *
 * What goes wrong is a `CofferError`: SERVER_UNREACHABLE (no answer, or no useful one after all tries: worth another try later)
 * or SERVER_REFUSED (a `ServerRefusal`: the same request would be refused again; the hint says what to change).
 */
import { CofferError } from "../../domain/error.ts";
import { findAuthorization } from "./credentials.ts";
import { readNumber } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { findProxy } from "./proxy.ts";
import type { Proxy } from "./proxy.ts";
import { readRetrySettings } from "./retry-settings.ts";
import type { RetryNotice, RetrySettings } from "./retry-settings.ts";
import { readTls } from "./tls.ts";
import type { Tls } from "./tls.ts";

export interface Connection {
  /** Scheme, host, port and path prefix; no user part, no trailing slash. Safe to print. */
  readonly displayUri: string;
  /** Credentials and workspace. A function, so that nothing that prints a connection prints a token. */
  readonly headers: () => Record<string, string>;
  /** Who we say that we are, in words and without any secret; undefined: nobody. */
  readonly who: string | undefined;
  /** The text without any secret that this connection knows. */
  readonly scrub: (text: string) => string;
  readonly tls: (() => Tls) | undefined;
  /** The proxy on the way to an address; undefined: none. */
  readonly proxyTo: (address: string) => Proxy | undefined;
  readonly retry: RetrySettings;
  /** Milliseconds without any progress after which a request counts as lost. */
  readonly timeout: number;
  /** The caller's deadline or interruption. */
  readonly signal: AbortSignal | undefined;
  /** Told of each repetition before its wait. */
  readonly onRetry: ((notice: RetryNotice) => void) | undefined;
  /** Told of each answer of the tracking server that was one: a success, and MLflow's. */
  readonly onAnswer: (() => void) | undefined;
}

export interface ConnectOptions {
  /** A tracking URI: http or https, perhaps with `user:password@` and a path prefix. */
  uri: string;
  env: Environment;
  signal?: AbortSignal;
  onRetry?: (notice: RetryNotice) => void;
  onAnswer?: () => void;
}

/**
 * Reads the tracking URI and MLflow's environment variables; sends nothing.
 * @throws CofferError NO_TRACKING_URI, CONFIG_INVALID, UNREADABLE
 */
export function connect({ uri, env, signal, onRetry, onAnswer }: ConnectOptions): Connection {
  const url = parseTrackingUri(uri);
  // without the mark that some editors put before all text, which is no blank to URL
  const authorization = findAuthorization(uri.trim(), env);
  const headers: Record<string, string> = {};
  if (authorization.header !== undefined) headers["authorization"] = authorization.header;
  const workspace = env["MLFLOW_WORKSPACE"]?.trim();
  if (workspace) headers["x-mlflow-workspace"] = workspace;
  const proxy = findProxy(env, url);
  const secrets = [...authorization.secrets, ...(proxy?.secrets ?? [])].sort((a, b) => b.length - a.length);
  const tls = readTls(env, url.protocol === "https:" || (proxy?.isSecure ?? false));
  return {
    displayUri: `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`,
    headers: () => ({ ...headers }),
    who: authorization.who,
    scrub: (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, "***"), text),
    tls: tls && (() => ({ ...tls })),
    proxyTo: proxies(env),
    retry: readRetrySettings(env),
    timeout: readNumber(env, "MLFLOW_HTTP_REQUEST_TIMEOUT", 120) * 1000,
    signal,
    onRetry,
    onAnswer,
  };
}

/** Looked up once for each scheme, host and port: a sync asks it of thousands of files. */
function proxies(env: Environment): Connection["proxyTo"] {
  const found = new Map<string, Proxy | undefined>();
  return (address) => {
    const slash = address.indexOf("/", address.indexOf("//") + 2);
    const place = slash < 0 ? address : address.slice(0, slash);
    if (!found.has(place)) found.set(place, findProxy(env, new URL(address)));
    return found.get(place);
  };
}

/** The same without anything that says who we are. */
export function asNobody(connection: Connection): Connection {
  const { authorization: _, ...others } = connection.headers();
  return { ...connection, headers: () => ({ ...others }), who: undefined };
}

/** Whether an address is on the tracking server itself: same scheme, host and port. Credentials are for nobody else. */
export function isOnServer(connection: Connection, address: string): boolean {
  return address.startsWith(`${connection.displayUri}/`) || URL.parse(address)?.origin === new URL(connection.displayUri).origin;
}

/** The page of a run in MLflow's own interface. */
export function runPage(connection: Connection, experimentId: string, runId: string): string {
  return `${connection.displayUri}/#/experiments/${experimentId}/runs/${runId}`;
}

function parseTrackingUri(uri: string): URL {
  if (uri.trim() === "")
    throw new CofferError("NO_TRACKING_URI", "no MLflow server is configured", {
      hint: "set MLFLOW_TRACKING_URI, such as http://localhost:5000",
    });
  const url = URL.parse(uri.trim());
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri.trim())?.[1]?.toLowerCase();
  if (url && url.hostname !== "" && (url.protocol === "http:" || url.protocol === "https:")) return url;
  if (scheme === "http" || scheme === "https")
    throw new CofferError("CONFIG_INVALID", `the MLflow tracking URI is malformed: “${shown(uri)}”`, {
      hint: `it is ${scheme}://HOST:PORT, perhaps with a path; in a password, write %40 for @, %3A for :, %2F for / and %23 for #`,
    });
  const host = /^[a-z0-9.-]+:\d{1,5}(?=\/|$)/i.exec(uri.trim())?.[0];
  throw new CofferError("CONFIG_INVALID", `the MLflow tracking URI is no http or https address: “${shown(uri)}”`, {
    hint: host
      ? `write http://${host}`
      : "coffer talks to a server: start one with `mlflow server` and give its address, such as http://localhost:5000",
  });
}

/** What is no URL may hold a password anywhere: all before an @ goes, a query, and a port that is no number. */
function shown(uri: string): string {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:[/\\]*)?(.*)$/is.exec(uri.trim()) ?? [];
  // a password with a question mark in it, or a query with an @: nobody can tell
  if (/[?#]/.test(rest) && rest.includes("@")) return `${scheme}…`;
  const place = rest.slice(rest.lastIndexOf("@") + 1).replace(/[?#].*$/s, "?…");
  return scheme + place.replace(/^([^/\\:]*:)(?!\d*(?:[/\\]|$)).*$/s, "$1…");
}
