import * as v from "valibot";
import { errno, reason } from "../domain/error.ts";
import type { Connection } from "./connection.ts";
import { hintFor, mayPass, readFailure, ServerRefusal } from "./refusal.ts";
import { parseRetryAfter } from "./retry-settings.ts";
import { retry, Transient } from "./retry.ts";

export interface Request {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the tracking URI, such as `/api/2.0/mlflow/runs/get`; or a whole address, for artifacts that another host keeps. */
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
  method: "GET" | "POST",
  path: string,
  values: Record<string, unknown>,
  schema: v.GenericSchema<unknown, T>,
): Promise<T> {
  return retry(connection, nameOf(method, path), () => callOnce(connection, method, path, values, schema));
}

/**
 * One JSON call, tried once. `values` are the query of a GET and the body of a POST; undefined ones are left out.
 * @throws Transient, CofferError SERVER_REFUSED
 */
export function callOnce<T>(
  connection: Connection,
  method: "GET" | "POST",
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
    const response = await onNetwork(
      connection,
      fetch(addressOf(connection, request), {
        method: request.method,
        headers: { ...connection.headers(), accept: "*/*", ...request.headers },
        ...(body !== undefined && { body }),
        ...(connection.tls && { tls: connection.tls() }),
        keepalive: request.keepalive,
        // a 307 would repeat a stream body as an empty one and call it stored
        redirect: "manual",
        signal,
      }),
    );
    watch.touch();
    if (response.status < 200 || response.status > 299) throw await failureOf(connection, request, response, watch.touch);
    return await read(response, watch.touch);
  } finally {
    watch.stop();
  }
}

/** Waits for something that the network may break, and makes of its errors `Transient` or a refusal. */
export async function onNetwork<T>(connection: Connection, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw networkFailure(connection, error);
  }
}

/** The whole text of an answer, `limit` bytes at most: nobody who answers on that port can fill our memory. */
export async function readText(connection: Connection, response: Response, limit: number, touch: () => void): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  for (let size = 0; ;) {
    const { done, value } = await onNetwork(connection, reader.read());
    if (done) return Buffer.concat(chunks).toString("utf8");
    touch();
    size += value.byteLength;
    if (size > limit) {
      await reader.cancel();
      if (!response.ok) return Buffer.concat(chunks).toString("utf8");
      throw new ServerRefusal(`${connection.displayUri}: an answer is larger than ${limit} bytes`, {
        status: 0,
        hint: "check host, port and path prefix of MLFLOW_TRACKING_URI",
      });
    }
    chunks.push(value);
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
  const hint = hintFor(failure, onArtifacts, placeOf(response.headers.get("location")));
  const message = `${failure.status}${failure.errorCode ? ` ${failure.errorCode}` : ""}${failure.words ? `: ${failure.words}` : ""}`;
  if (mayPass(failure, onArtifacts)) {
    const retryAfter = connection.retry.respectRetryAfter ? parseRetryAfter(response.headers.get("retry-after"), Date.now()) : undefined;
    return new Transient(message, { hint, retryAfter });
  }
  return new ServerRefusal(`${connection.displayUri}: ${nameOf(request.method, request.path)}: ${message}`, {
    status: failure.status,
    errorCode: failure.errorCode,
    hint,
  });
}

/** Where a redirect leads, without anything that could be a secret. */
function placeOf(location: string | null): string | null {
  const url = location === null ? null : URL.parse(location);
  return url && url.host !== "" ? `${url.protocol}//${url.host}` : null;
}

function networkFailure(connection: Connection, error: unknown): Error {
  const code = errno(error);
  const words = connection.scrub(reason(error));
  // a certificate does not become valid by asking again
  if (code !== undefined && /CERT|TLS|UNABLE_TO_/.test(code))
    return new ServerRefusal(`${connection.displayUri}: ${code}: ${words}`, {
      status: 0,
      hint: "give the authority's certificate with MLFLOW_TRACKING_SERVER_CERT_PATH (or, for a trial, MLFLOW_TRACKING_INSECURE_TLS=true)",
      cause: error,
    });
  if (error instanceof DOMException && error.name === "TimeoutError")
    return new Transient(`no answer for ${connection.timeout / 1000} s`, {
      hint: "is the server overloaded? MLFLOW_HTTP_REQUEST_TIMEOUT sets the limit",
      cause: error,
    });
  return new Transient(code ? `${code}: ${words}` : words, {
    hint: "is the server running, and MLFLOW_TRACKING_URI its address? `coffer sync-mlflow` delivers what is left",
    cause: error,
  });
}

function parseAnswer<T>(connection: Connection, what: string, text: string, schema: v.GenericSchema<unknown, T>): T {
  let json: unknown;
  let fault: string;
  try {
    json = JSON.parse(text === "" ? "{}" : text);
    const parsed = v.safeParse(schema, json);
    if (parsed.success) return parsed.output;
    const issue = parsed.issues[0];
    fault = `${v.getDotPath(issue) ?? "the answer"}: ${issue.message}`;
  } catch {
    fault = "it is not JSON";
  }
  throw new ServerRefusal(`${connection.displayUri}: ${what}: the answer is not MLflow's (${fault})`, {
    status: 0,
    hint: "check host, port and path prefix of MLFLOW_TRACKING_URI",
  });
}

interface ProgressWatch {
  signal: AbortSignal;
  touch: () => void;
  stop: () => void;
}

/** A signal that fires when nothing moved for `milliseconds`. */
function watchProgress(milliseconds: number): ProgressWatch {
  const controller = new AbortController();
  const start = (): NodeJS.Timeout => setTimeout(() => controller.abort(new DOMException("no progress", "TimeoutError")), milliseconds);
  let timer = start();
  return {
    signal: controller.signal,
    touch: () => {
      clearTimeout(timer);
      if (!controller.signal.aborted) timer = start();
    },
    stop: () => clearTimeout(timer),
  };
}
