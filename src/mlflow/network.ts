import { errno, reason } from "../domain/error.ts";
import type { Connection } from "./connection.ts";
import { ServerRefusal } from "./refusal.ts";
import { Transient } from "./retry.ts";

/** Waits for something that the network may break, and makes of its errors `Transient` or a refusal. */
export async function onNetwork<T>(connection: Connection, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw networkFailure(connection, error);
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

function networkFailure(connection: Connection, error: unknown): Error {
  // the caller's own doing tells nothing of the server: `retry` makes words of it
  if (connection.signal?.aborted) return new Transient("given up", { hint: "", cause: connection.signal.reason });
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
  return new Transient(code && !words.startsWith(code) ? `${code}: ${words}` : words, {
    hint: "is the server running, and MLFLOW_TRACKING_URI its address? coffer sync-mlflow delivers what is left",
    cause: error,
  });
}
