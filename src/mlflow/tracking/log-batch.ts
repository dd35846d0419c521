import * as v from "valibot";
import { CofferError } from "../../domain/error.ts";
import type { Connection } from "../http/connection.ts";
import { prepareMetric, prepareParam, prepareTag } from "./log-values.ts";
import type { Change, Metric, Param, Tag, WireMetric } from "./log-values.ts";
import { mergedKeys } from "./merged-keys.ts";
import { remoteKey } from "./remote-key.ts";
import { call, REST } from "../http/request.ts";

export interface RunData {
  metrics?: readonly Metric[];
  params?: readonly Param[];
  tags?: readonly Tag[];
}

/** What one `runs/log-batch` takes. */
export interface Batch {
  metrics: WireMetric[];
  params: Param[];
  tags: Tag[];
}

export interface BatchPlan {
  batches: Batch[];
  /** What MLflow will show differently. */
  changes: Change[];
}

/** The server's limits, and a size that the usual proxies (1 MB) let through. */
const MAX_METRICS = 1000;
const MAX_PAIRS = 100;
const MAX_TOGETHER = 1000;
const MAX_BYTES = 900_000;
/** What a point takes at most beside its key. */
const METRIC_BYTES = 120;

/**
 * Cuts data into batches, params and tags first, metrics in the order given. Nothing is sent, and nothing is planned if one value is wrong.
 * @throws CofferError VALUE_INVALID for a value that MLflow would misread, or a param given twice with different values
 */
export function planBatches(data: RunData): BatchPlan {
  const changes: Change[] = [];
  const batches: Batch[] = [];
  let batch: Batch | undefined;
  let bytes = 0;
  const place = <K extends keyof Batch>(kind: K, limit: number, entry: Batch[K][number]): void => {
    const size = kind === "metrics" ? 4 * entry.key.length + METRIC_BYTES : Buffer.byteLength(JSON.stringify(entry)) + 1;
    const full =
      batch &&
      (batch[kind].length >= limit ||
        batch.metrics.length + batch.params.length + batch.tags.length >= MAX_TOGETHER ||
        bytes + size > MAX_BYTES);
    if (!batch || full) {
      batch = { metrics: [], params: [], tags: [] };
      batches.push(batch);
      bytes = 0;
    }
    (batch[kind] as Batch[K][number][]).push(entry);
    bytes += size;
  };

  for (const param of uniqueParams(data.params ?? [], changes)) place("params", MAX_PAIRS, param);
  for (const tag of lastTags(data.tags ?? [], changes)) place("tags", MAX_PAIRS, tag);
  const names = new Map<string, ReturnType<typeof remoteKey>>();
  for (const metric of data.metrics ?? []) {
    const name = names.get(metric.key) ?? remoteKey(metric.key);
    names.set(metric.key, name);
    const prepared = prepareMetric(metric, name);
    changes.push(...prepared.changes);
    place("metrics", MAX_METRICS, prepared.value);
  }
  for (const [kind, given] of [
    ["param", data.params],
    ["tag", data.tags],
  ] as const)
    changes.push(
      ...mergedKeys(
        kind,
        (given ?? []).map(({ key }) => key),
      ),
    );
  changes.push(...mergedKeys("metric", names.keys()));
  return { batches, changes: firstOfEach(changes) };
}

/** Sends one batch; atomic on the server, and safe to repeat: the same points and params collapse. */
export async function sendBatch(connection: Connection, runId: string, batch: Batch): Promise<void> {
  await call(connection, "POST", `${REST}/runs/log-batch`, { run_id: runId, ...batch }, v.unknown());
}

/** A param twice in one body is refused as a whole, and a second value can never be stored. Of two keys with one name there the first goes. */
function uniqueParams(params: readonly Param[], changes: Change[]): Iterable<Param> {
  const seen = new Map<string, Param>();
  const given = new Map<string, string>();
  for (const param of params) {
    const prepared = prepareParam(param);
    const before = seen.get(prepared.value.key);
    if (before && given.get(before.key) !== param.key) continue;
    given.set(prepared.value.key, param.key);
    if (before && before.value !== prepared.value.value)
      throw new CofferError("VALUE_INVALID", `param “${param.key}” was given twice, with different values`, {
        hint: "MLflow keeps one value for a param; log a metric or a tag instead",
      });
    seen.set(prepared.value.key, prepared.value);
    changes.push(...prepared.changes);
  }
  return seen.values();
}

function lastTags(tags: readonly Tag[], changes: Change[]): Iterable<Tag> {
  const last = new Map<string, Tag>();
  for (const tag of tags) {
    const prepared = prepareTag(tag);
    last.set(prepared.value.key, prepared.value);
    changes.push(...prepared.changes);
  }
  return last.values();
}

/** A metric of 10,000 points is renamed once, as far as people care. */
function firstOfEach(changes: readonly Change[]): Change[] {
  const seen = new Map<string, Change>();
  for (const change of changes) {
    const id = `${change.kind}\0${change.key}\0${change.what}`;
    if (!seen.has(id)) seen.set(id, change);
  }
  return [...seen.values()];
}
