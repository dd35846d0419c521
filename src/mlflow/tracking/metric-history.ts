import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import type { Metric } from "./log-values.ts";
import { ServerRefusal } from "../http/refusal.ts";
import { Paging } from "../http/paging.ts";
import { call, callOnce, nameOf, REST } from "../http/request.ts";
import { Transient } from "../http/retry.ts";

const PAGE = 5000;

const Value = v.union([v.number(), v.pipe(v.picklist(["NaN", "Infinity", "-Infinity"]), v.transform(Number))]);
/** What the server gives at most of the whole of a history. */
const WHOLE = 25_000;

const HistoryAnswer = v.object({
  metrics: v.optional(
    v.array(
      v.object({ key: v.string(), value: v.optional(Value, 0), timestamp: v.optional(v.number(), 0), step: v.optional(v.number(), 0) }),
    ),
    [],
  ),
  next_page_token: v.optional(v.string(), ""),
});

/**
 * Every point of one metric, page by page. `key` is the server's (`remoteKey`). The server keeps each distinct point once, and gives an
 * infinity back as ±1.797e308: compare with `storedValue`.
 */
export async function* readMetricHistory(connection: Connection, runId: string, key: string): AsyncGenerator<Metric[]> {
  const path = `${REST}/metrics/get-history`;
  const paging = new Paging(connection, nameOf("GET", path));
  let page: string | undefined;
  do {
    const query = { run_id: runId, metric_key: key, max_results: PAGE, page_token: page };
    const answer = await call(connection, "GET", path, query, HistoryAnswer);
    yield answer.metrics;
    page = paging.next(answer.next_page_token);
  } while (page !== undefined);
}

interface Point {
  value: number;
  timestamp: number;
  step: number;
}

/** Thousands of points: each is looked at by hand. */
const WholeAnswer = v.object({
  metrics: v.custom<Point[]>((given) => Array.isArray(given) && given.every(isPoint), "no list of points"),
});

function isPoint(given: unknown): given is Point {
  const { value, timestamp, step } = (given ?? {}) as Partial<Record<keyof Point, unknown>>;
  return typeof value === "number" && typeof timestamp === "number" && typeof step === "number";
}

/**
 * The same of a metric of about `count` points, many at a time; in one answer where it can be: by the route of MLflow's own pages, which costs the server half as much.
 * NaN is no JSON, and such an answer no answer: then page by page.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function* readHistory(connection: Connection, runId: string, key: string, count: number): AsyncGenerator<Point[]> {
  if (count < WHOLE)
    try {
      const query = { run_id: runId, metric_key: key, max_results: WHOLE };
      const { metrics } = await callOnce(connection, "GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk", query, WholeAnswer);
      if (metrics.length < WHOLE) return yield metrics;
    } catch (error) {
      if (!(error instanceof ServerRefusal) && !(error instanceof Transient)) throw error;
    }
  yield* readMetricHistory(connection, runId, key);
}

/** The value that a server gives back for one that was sent. */
export function storedValue(value: number): number {
  return value === Infinity ? Number.MAX_VALUE : value === -Infinity ? -Number.MAX_VALUE : value;
}
