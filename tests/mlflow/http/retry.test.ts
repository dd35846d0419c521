import { expect, test } from "bun:test";
import { CofferError } from "../../../src/domain/error.ts";
import { parseRetryAfter, retryDelay } from "../../../src/mlflow/http/retry-settings.ts";
import type { RetryNotice } from "../../../src/mlflow/http/retry-settings.ts";
import { retry, Transient } from "../../../src/mlflow/http/retry.ts";
import { connectQuickly } from "../../support/quick-connection.ts";

test("the first repetition comes at once, the others wait 4, 8, … 120 s, each with its random part", () => {
  const settings = { times: 7, factor: 2, jitter: 1, respectRetryAfter: true };
  expect([1, 2, 3, 4, 5, 6, 7, 8].map((n) => retryDelay(n, settings, undefined, 0))).toEqual([
    0, 4000, 8000, 16_000, 32_000, 64_000, 120_000, 120_000,
  ]);
  expect(retryDelay(1, settings, undefined, 0.5)).toBe(500);
  expect(retryDelay(3, settings, undefined, 1)).toBe(9000);
  expect(retryDelay(2, { ...settings, factor: 0, jitter: 0 }, undefined, 1)).toBe(0);
});

test("what the server asked for replaces the wait", () => {
  expect(retryDelay(5, { times: 7, factor: 2, jitter: 1, respectRetryAfter: true }, 3000, 0.5)).toBe(3500);
});

test("Retry-After is read as seconds or as a date", () => {
  const now = Date.UTC(2026, 0, 1);
  expect(parseRetryAfter(null, now)).toBeUndefined();
  expect(parseRetryAfter("7", now)).toBe(7000);
  expect(parseRetryAfter(" 0 ", now)).toBe(0);
  expect(parseRetryAfter("Thu, 01 Jan 2026 00:00:05 GMT", now)).toBe(5000);
  expect(parseRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  expect(parseRetryAfter("soon", now)).toBeUndefined();
});

const weak = (retryAfter?: number): Transient => new Transient("503", { hint: "wait", retryAfter });

test("only a transient failure is repeated, and each repetition is told", async () => {
  const notices: RetryNotice[] = [];
  const connection = connectQuickly("http://h", { onRetry: (notice) => notices.push(notice) });
  const answer = await retry(connection, "GET x", async (repetition) => {
    if (repetition < 2) throw weak();
    return repetition;
  });
  expect(answer).toBe(2);
  expect(notices).toEqual([
    { what: "GET x", why: "503", repetition: 1, wait: 0 },
    { what: "GET x", why: "503", repetition: 2, wait: 0 },
  ]);
  let tries = 0;
  const lasting = retry(connection, "GET x", async () => {
    tries++;
    throw new CofferError("SERVER_REFUSED", "a run id with 429 and 503 in it was not found");
  });
  expect(lasting).rejects.toThrow("was not found");
  await lasting.catch(() => {});
  expect(tries).toBe(1);
});

test("when all tries are used up the server counts as unreachable", async () => {
  let tries = 0;
  const error = await retry(connectQuickly("http://h", { env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "3" } }), "GET x", async () => {
    tries++;
    throw weak();
  }).catch((reason: unknown) => reason as CofferError);
  expect(tries).toBe(4);
  expect(error).toMatchObject({ code: "SERVER_UNREACHABLE", hint: "wait", message: "http://h: GET x: 503 (4 tries)" });
});

test("a server that asks for an hour is not waited for", async () => {
  let tries = 0;
  const failing = retry(connectQuickly("http://h"), "GET x", async () => {
    tries++;
    throw weak(3_600_000);
  });
  expect(failing).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
  await failing.catch(() => {});
  expect(tries).toBe(1);
});

test("the caller's deadline ends the waiting, an interruption passes as it is", async () => {
  const slow = { env: { MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "1000" } };
  const late = retry(connectQuickly("http://h", { ...slow, signal: AbortSignal.timeout(20) }), "GET x", async () => {
    throw weak(60_000);
  });
  expect(await late.catch((error: unknown) => error)).toMatchObject({
    code: "SERVER_UNREACHABLE",
    hint: "wait",
    message: "http://h: no time left for GET x (The operation timed out.): 503",
  });

  const controller = new AbortController();
  const interrupted = retry(connectQuickly("http://h", { ...slow, signal: controller.signal }), "GET x", async () => {
    queueMicrotask(() => controller.abort(new Error("Ctrl-C")));
    throw weak(60_000);
  });
  expect(await interrupted.catch((error: unknown) => error)).toMatchObject({ message: "Ctrl-C" });
});

test("where nobody is there to ask, the words are one sentence, and there may be fewer tries", async () => {
  const nobody = (): never => {
    throw new Transient("nobody listens there (ECONNREFUSED)", { hint: "start it", unheard: true });
  };
  const late = connectQuickly("http://h", { env: { MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "1000" }, signal: AbortSignal.timeout(20) });
  expect(await retry(late, "GET x", async () => nobody()).catch((error: unknown) => error)).toMatchObject({
    message: "http://h: nobody listens there (ECONNREFUSED)",
  });
  const quick = connectQuickly("http://h");
  const hasty = { ...quick, retry: { ...quick.retry, times: 5, timesUnheard: 1 } };
  expect(await retry(hasty, "GET x", async () => nobody()).catch((error: unknown) => error)).toMatchObject({
    message: "http://h: nobody listens there (ECONNREFUSED) (2 tries)",
  });
});
