import { readNumber, readSwitch } from "./environment.ts";
import type { Environment } from "./environment.ts";

export interface RetrySettings {
  /** Repetitions after the first try. */
  readonly times: number;
  /** The same where nobody is there to ask; by default as many. */
  readonly timesUnheard?: number;
  /** Seconds. */
  readonly factor: number;
  /** Seconds: each wait grows by a random part of it. */
  readonly jitter: number;
  readonly respectRetryAfter: boolean;
}

export interface RetryNotice {
  /** What was asked, such as `POST runs/search`. */
  what: string;
  /** Why it is repeated. */
  why: string;
  /** 1 for the first repetition. */
  repetition: number;
  /** Milliseconds until it. */
  wait: number;
}

const LONGEST_WAIT = 120_000;

export function readRetrySettings(env: Environment): RetrySettings {
  return {
    times: Math.floor(readNumber(env, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", 7)),
    factor: readNumber(env, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", 2),
    jitter: readNumber(env, "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", 1),
    respectRetryAfter: readSwitch(env, "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", true),
  };
}

/**
 * Milliseconds before repetition 1, 2, …; `random` from 0 to 1. As with MLflow's client the first one comes at once, then factor × 2, 4, 8 …
 * seconds, at most 120; each grows by a random part, so that many uploads that failed together do not return together.
 */
export function retryDelay(repetition: number, settings: RetrySettings, retryAfter: number | undefined, random: number): number {
  const jitter = settings.jitter * random * 1000;
  if (retryAfter !== undefined) return retryAfter + jitter;
  const backoff = repetition <= 1 ? 0 : settings.factor * 2 ** (repetition - 1) * 1000;
  return Math.min(LONGEST_WAIT, backoff + jitter);
}

/** Milliseconds from a `Retry-After` header: seconds or an HTTP date; undefined where it is neither. */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
