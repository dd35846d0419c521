import type * as v from "valibot";
import { parseAnswer, readText } from "./answer.ts";
import { isOnServer } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { onNetwork, watchProgress } from "./network.ts";
import { hintFor, isEverywhere, mayPass, readFailure, ServerRefusal } from "./refusal.ts";
import { parseRetryAfter } from "./retry-settings.ts";
import { retry, Transient } from "./retry.ts";
import { httpAddress, send } from "./send.ts";

export interface Request {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** Below the tracking URI, such as `/api/2.0/mlflow/runs/get`; or a whole address; one that is not on the tracking server gets no credentials. */
  path: string;
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  /** Made anew for each try. */
  body?: (touch: () => void) => RequestInit["body"];
  /** false for everything whose answer has a body: a reused connection would cost it 44 ms on most servers (Kludex/uvicorn#3149). */
  keepalive: boolean;
  /** A route that moves artifacts: 503 may mean that the server serves none. */
  onArtifacts?: boolean;
}

export const REST = "/api/2.0/mlflow";

/** What an answer may hold at most. */
const MAX_JSON = 64 * 1024 * 1024;
const MAX_ERROR = 64 * 1024;

/**
 * One JSON call, repeated by the retry policy, its answer checked. Not for calls that must not happen twice: those search first.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export function call<T>(
  connection: Connection,
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  values: Record<string, unknown>,
  schema: v.GenericSchema<unknown, T>,
): Promise<T> {
  return retry(connection, nameOf(method, path), () => callOnce(connection, method, path, values, schema));
}

/**
 * One JSON call, tried once. `values` are the query of a GET and the body of any other; undefined ones are left out.
 * @throws Transient, CofferError SERVER_REFUSED
 */
export function callOnce<T>(
  connection: Connection,
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  values: Record<string, unknown>,
  schema: v.GenericSchema<unknown, T>,
): Promise<T> {
  const request: Request =
    method === "GET"
      ? {
          method,
          path,
          keepalive: false,
          query: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value === undefined ? undefined : String(value)])),
        }
      : { method, path, keepalive: false, headers: { "content-type": "application/json" }, body: () => JSON.stringify(values) };
  return exchange(connection, request, async (response, touch) => {
    const text = await readText(connection, response, MAX_JSON, touch);
    return parseAnswer(connection, nameOf(method, path), text, schema);
  });
}

/**
 * Sends one request once and hands a successful answer to `read`, whose own errors pass unchanged.
 * The time limit counts from the last progress (`touch`), so that a long upload is not a lost one.
 * @throws Transient, CofferError SERVER_REFUSED
 */
export async function exchange<T>(
  connection: Connection,
  request: Request,
  read: (response: Response, touch: () => void) => Promise<T>,
): Promise<T> {
  const watch = watchProgress(connection.timeout);
  const signal = connection.signal ? AbortSignal.any([connection.signal, watch.signal]) : watch.signal;
  try {
    const body = request.body?.(watch.touch);
    const address = httpAddress(connection, addressOf(connection, request));
    const proxy = connection.proxyTo(address);
    const isTrusted = isOnServer(connection, address);
    const response = await onNetwork(
      connection,
      send(connection, address, {
        method: request.method,
        headers: { ...(isTrusted && connection.headers()), accept: "*/*", ...request.headers },
        body,
        tls: isTrusted ? connection.tls?.() : undefined,
        keepalive: request.keepalive,
        signal,
      }),
      proxy,
    );
    watch.touch();
    if (response.status < 200 || response.status > 299)
      throw await failureOf({ ...connection, ...(!isTrusted && { who: undefined }) }, request, response, watch.touch);
    const answer = await read(response, watch.touch);
    if (isTrusted) connection.onAnswer?.();
    return answer;
  } finally {
    watch.stop();
  }
}

/** `POST runs/search`: what messages call a request. */
export function nameOf(method: string, path: string): string {
  return `${method} ${path.replace(/^\/api\/[0-9.]+\/mlflow\//, "").replace(/^\//, "")}`;
}

function addressOf(connection: Connection, request: Request): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) if (value !== undefined) query.set(name, value);
  const address = request.path.startsWith("/") ? connection.displayUri + request.path : request.path;
  return query.size > 0 ? `${address}?${query}` : address;
}

async function failureOf(connection: Connection, request: Request, response: Response, touch: () => void): Promise<Error> {
  const body = await readText(connection, response, MAX_ERROR, touch).catch(() => "");
  const failure = readFailure(response.status, connection.scrub(body));
  const onArtifacts = request.onArtifacts ?? false;
  const address = addressOf(connection, request);
  // through a tunnel nobody but the server answers
  const proxy = address.startsWith("https:") ? undefined : connection.proxyTo(address)?.name;
  const hint = hintFor(failure, {
    onArtifacts,
    location: placeOf(response.headers.get("location")),
    who: connection.who,
    proxy,
    https: address.startsWith("https:"),
  });
  const message = `${failure.status}${failure.errorCode ? ` ${failure.errorCode}` : ""}${failure.words ? `: ${failure.words}` : ""}`;
  if (mayPass(failure, onArtifacts)) {
    const retryAfter = connection.retry.respectRetryAfter ? parseRetryAfter(response.headers.get("retry-after"), Date.now()) : undefined;
    return new Transient(message, { hint, retryAfter, status: failure.status });
  }
  return new ServerRefusal(`${connection.displayUri}: ${nameOf(request.method, request.path)}: ${message}`, {
    status: failure.status,
    errorCode: failure.errorCode,
    everywhere: isEverywhere(failure, proxy),
    hint,
  });
}

/** Where a redirect leads, without anything that could be a secret. */
function placeOf(location: string | null): string | null {
  const url = location === null ? null : URL.parse(location);
  return url && url.host !== "" ? `${url.protocol}//${url.host}` : null;
}
