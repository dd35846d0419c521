import { errno, reason } from "../../domain/error.ts";
import type { Connection } from "./connection.ts";
import type { Proxy } from "./proxy.ts";
import { proxyHint, ServerRefusal, TRANSIENT_STATUS } from "./refusal.ts";
import { Transient } from "./retry.ts";

/** Waits for something that the network may break, and makes of its errors `Transient` or a refusal. `proxy`: what the request goes through. */
export async function onNetwork<T>(connection: Connection, promise: Promise<T>, proxy?: Proxy): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw networkFailure(connection, error, proxy);
  }
}

interface ProgressWatch {
  signal: AbortSignal;
  touch: () => void;
  stop: () => void;
}

/** A signal that fires when nothing moved for `milliseconds`. */
export function watchProgress(milliseconds: number): ProgressWatch {
  const controller = new AbortController();
  let last = performance.now();
  // a timer that is set anew at each move would cost a small upload more than its request does
  const look = (): void => {
    const left = last + milliseconds - performance.now();
    if (left > 0) timer = setTimeout(look, left);
    else controller.abort(new DOMException("no progress", "TimeoutError"));
  };
  let timer = setTimeout(look, milliseconds);
  return {
    signal: controller.signal,
    touch: () => {
      last = performance.now();
    },
    stop: () => clearTimeout(timer),
  };
}

/** Certificates do not become valid, and ports do not change their protocol, by asking again. What helps, by the code of the error. */
const PERMANENT: readonly [code: RegExp, words: string | undefined, hint: string][] = [
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    "the server's certificate is for another host name",
    "give MLFLOW_TRACKING_URI the name that the certificate is for (or, for a trial, set MLFLOW_TRACKING_INSECURE_TLS=true)",
  ],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    undefined,
    "the server needs a new certificate, or this machine's clock is wrong (for a trial: MLFLOW_TRACKING_INSECURE_TLS=true)",
  ],
  [
    /CERT|TLS|UNABLE_TO_/,
    undefined,
    "give the authority's certificate with MLFLOW_TRACKING_SERVER_CERT_PATH (or, for a trial, MLFLOW_TRACKING_INSECURE_TLS=true)",
  ],
  [
    /^EPROTO$/,
    "no TLS connection came about",
    "does the server speak plain http there? then MLFLOW_TRACKING_URI begins with http://. Does it ask for a certificate? give it with MLFLOW_TRACKING_CLIENT_CERT_PATH",
  ],
];

function networkFailure(connection: Connection, error: unknown, proxy: Proxy | undefined): Error {
  // the caller's own doing tells nothing of the server: `retry` makes words of it
  if (connection.signal?.aborted) return new Transient("given up", { hint: "", cause: connection.signal.reason });
  if (error instanceof DOMException && error.name === "TimeoutError")
    return new Transient(`no answer for ${connection.timeout / 1000} s`, {
      hint: "is the server overloaded? MLFLOW_HTTP_REQUEST_TIMEOUT sets the limit",
      cause: error,
    });
  const code = errno(error);
  const { status, hostname } = error as { status?: unknown; hostname?: unknown };
  const words = connection.scrub(reason(error));
  if (code === "ERR_PROXY_TUNNEL" && proxy) {
    const message = `the proxy ${proxy.name} opens no way to it: ${typeof status === "number" ? status : words}`;
    const hint = proxyHint(proxy.name, status === 407);
    if (typeof status !== "number" || TRANSIENT_STATUS.has(status)) return new Transient(message, { hint, cause: error });
    return new ServerRefusal(`${connection.displayUri}: ${message}`, { everywhere: true, hint, cause: error });
  }
  const [, clearer, hint] = PERMANENT.find(([pattern]) => pattern.test(code ?? "")) ?? [];
  if (hint !== undefined)
    return new ServerRefusal(`${connection.displayUri}: ${clearer ?? words} (${code})`, {
      everywhere: true,
      hint,
      cause: error,
    });
  const message = inWords(code, typeof hostname === "string" ? hostname : undefined) ?? words;
  return new Transient(
    `${message}${code && !message.startsWith(code) ? ` (${code})` : ""}${proxy ? `, through the proxy ${proxy.name}` : ""}`,
    {
      hint: proxy
        ? proxyHint(proxy.name, false)
        : code === "ECONNRESET" && connection.displayUri.startsWith("http:")
          ? NOT_HTTP
          : NOT_THERE,
      unheard: code === "ECONNREFUSED" || code === "ENOTFOUND",
      cause: error,
    },
  );
}

const NOT_THERE = "is the server running, and MLFLOW_TRACKING_URI its address?";
const NOT_HTTP = `${NOT_THERE} A port of https ends like this, too: MLFLOW_TRACKING_URI begins with https:// then`;

function inWords(code: string | undefined, host: string | undefined): string | undefined {
  if (code === "ECONNREFUSED") return "nobody listens there";
  if (code === "ECONNRESET") return "the connection was closed before an answer came";
  if (code === "ENOTFOUND") return `no host is known by the name ${host ?? "in its address"}`;
  return undefined;
}
