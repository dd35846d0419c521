/**
 * The one retry policy. What may be repeated is decided by status and error class (`Transient`), never by an error's text.
 */
import { CofferError, reason } from "../../domain/error.ts";
import type { Connection } from "./connection.ts";
import { retryDelay } from "./retry-settings.ts";

/** A failure that may be gone the next time. */
export class Transient extends Error {
  override readonly name = "Transient";
  readonly hint: string;
  /** Milliseconds that the server asked us to wait. */
  readonly retryAfter: number | undefined;
  /** The HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  /** Nobody is there to ask: the port is closed, or the name unknown. */
  readonly unheard: boolean;

  constructor(
    message: string,
    details: { hint: string; retryAfter?: number | undefined; status?: number | undefined; unheard?: boolean; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.hint = details.hint;
    this.retryAfter = details.retryAfter;
    this.status = details.status;
    this.unheard = details.unheard ?? false;
  }

  /** The same, not to be repeated within these milliseconds. */
  notBefore(milliseconds: number): Transient {
    const { hint, status, unheard, cause } = this;
    return new Transient(this.message, { hint, retryAfter: Math.max(milliseconds, this.retryAfter ?? 0), status, unheard, cause });
  }
}

/** A server that asks for more is left alone; what is undelivered stays in the outbox. */
const LONGEST_RETRY_AFTER = 600_000;

/**
 * Tries until `attempt` returns, throws something that is not `Transient`, the tries are used up, or the caller's signal ends it.
 * @throws CofferError SERVER_UNREACHABLE; what `attempt` throws; the signal's reason if it was interrupted rather than out of time
 */
export async function retry<T>(connection: Connection, what: string, attempt: (repetition: number) => Promise<T>): Promise<T> {
  for (let repetition = 0; ; repetition++) {
    let failure: Transient;
    try {
      stopIfAborted(connection, what, undefined);
      return await attempt(repetition);
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      failure = error;
    }
    stopIfAborted(connection, what, failure);
    const times = failure.unheard ? (connection.retry.timesUnheard ?? connection.retry.times) : connection.retry.times;
    if (repetition >= times || (failure.retryAfter ?? 0) > LONGEST_RETRY_AFTER)
      throw unreachable(connection, what, failure, repetition + 1);
    const wait = retryDelay(repetition + 1, connection.retry, failure.retryAfter, Math.random());
    connection.onRetry?.({ what, why: failure.message, repetition: repetition + 1, wait });
    await sleep(wait, connection.signal);
    stopIfAborted(connection, what, failure);
  }
}

function stopIfAborted(connection: Connection, what: string, last: Transient | undefined): void {
  const signal = connection.signal;
  if (!signal?.aborted) return;
  if (!outOfTime(signal)) throw signal.reason;
  // a request that was under way failed only because it was given up
  const failure = last?.cause === signal.reason ? undefined : last;
  const words = failure?.unheard
    ? failure.message
    : `no time left for ${what} (${reason(signal.reason)})${failure ? `: ${failure.message}` : ""}`;
  throw new CofferError("SERVER_UNREACHABLE", `${connection.displayUri}: ${words}`, {
    hint: failure?.hint ?? "is the server up, and MLFLOW_TRACKING_URI its address?",
    cause: failure ?? signal.reason,
  });
}

function outOfTime(signal: AbortSignal): boolean {
  return signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";
}

function unreachable(connection: Connection, what: string, last: Transient, tries: number): CofferError {
  const words = last.unheard ? last.message : `${what}: ${last.message}`;
  return new CofferError("SERVER_UNREACHABLE", `${connection.displayUri}: ${words} (${tries === 1 ? "one try" : `${tries} tries`})`, {
    hint: last.hint,
    cause: last,
  });
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds <= 0 || signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
