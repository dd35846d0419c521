import * as v from "valibot";
import type { Connection } from "./connection.ts";
import type { Metric } from "./log-values.ts";
import { call, REST } from "./request.ts";

const PAGE = 5000;

const Value = v.union([v.number(), v.pipe(v.picklist(["NaN", "Infinity", "-Infinity"]), v.transform(Number))]);
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
export async function* readMetricHistory(connection: Connection, runId: string, key: string): AsyncGenerator<Metric> {
  let page: string | undefined;
  do {
    const query = { run_id: runId, metric_key: key, max_results: PAGE, page_token: page };
    const answer = await call(connection, "GET", `${REST}/metrics/get-history`, query, HistoryAnswer);
    yield* answer.metrics;
    page = answer.next_page_token;
  } while (page);
}

/** The value that a server gives back for one that was sent. */
export function storedValue(value: number): number {
  return value === Infinity ? Number.MAX_VALUE : value === -Infinity ? -Number.MAX_VALUE : value;
}
