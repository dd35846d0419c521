import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as metrics from "../../src/db/records/metrics.ts";
import type { MetricPoint } from "../../src/db/records/metrics.ts";
import * as outbox from "../../src/db/delivery/outbox.ts";
import type { DeliveryRow } from "../../src/db/delivery/outbox.ts";
import * as params from "../../src/db/records/params.ts";
import type { RunRow } from "../../src/db/records/runs.ts";
import * as tags from "../../src/db/records/tags.ts";
import { listArtifacts } from "../../src/mlflow/artifacts/list-artifacts.ts";
import { readMetricHistory } from "../../src/mlflow/tracking/metric-history.ts";
import { getRun } from "../../src/mlflow/tracking/runs.ts";
import { enqueueRun } from "../../src/registry/enqueue.ts";
import { deliver } from "../../src/sync/deliver.ts";
import type { DeliverOptions } from "../../src/sync/deliver.ts";
import type { DeliveryReport } from "../../src/sync/report.ts";
import { connectQuickly } from "./quick-connection.ts";
import { openTestStore } from "./store.ts";
import type { Given, TestStore } from "./store.ts";

/** Retries without waiting, and no credentials of the person who runs the tests. */
export const QUICK = {
  HOME: "/nonexistent",
  MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1",
  MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0",
  MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0",
};

/** A store whose runs go to this server, into an experiment of their own. */
export function storeFor(uri: string, set: Record<string, unknown> = {}): Promise<TestStore> {
  return openTestStore({ "tracking.mlflow.uri": uri, "tracking.mlflow.experiment": `sync ${Bun.randomUUIDv7()}`, ...set });
}

export interface Said {
  run?: Parameters<TestStore["run"]>[0];
  params?: Record<string, string>;
  tags?: Record<string, string>;
  metrics?: readonly MetricPoint[];
  artifacts?: readonly Given[];
  skipArtifacts?: boolean;
  remoteRun?: string;
}

/** A run that ended with all this, in the outbox. */
export async function tellLater(test: TestStore, said: Said = {}): Promise<{ run: RunRow; artifacts: ArtifactRow[] }> {
  const { store } = test;
  const run = test.run(said.run);
  const made: ArtifactRow[] = [];
  for (const given of said.artifacts ?? []) made.push(await test.add({ ...given, run }));
  store.transaction(() => say(test, run, said));
  return { run, artifacts: made };
}

/** More for a run that is there, as `coffer log` does it: all in the transaction that enqueues it. */
export function say({ store }: TestStore, run: RunRow, said: Said): void {
  store.transaction(() => {
    params.set(store.db, run.seq, Object.entries(said.params ?? {}));
    tags.set(store.db, "run", run.seq, Object.entries(said.tags ?? {}));
    metrics.insert(store.db, run.seq, said.metrics ?? []);
    enqueueRun(store, run, { ...(said.skipArtifacts && { skipArtifacts: true }), remoteRun: said.remoteRun });
  });
}

export function sync(test: TestStore, options: Partial<DeliverOptions> = {}): Promise<DeliveryReport> {
  return deliver(test.store, { env: QUICK, ...options });
}

export function deliveryOf({ store }: TestStore, run: RunRow): DeliveryRow {
  return outbox.deliveriesOf(store.db, run.seq)[0] as DeliveryRow;
}

/**
 * The runs with this run's id, read through REST: what a server has, a second earlier than MLflow's own client (`readBack`) would say it.
 */
export async function seenOn(uri: string, { id }: Pick<RunRow, "id">): Promise<SeenRun[]> {
  const { experiments } = await ask<{ experiments: { experiment_id: string; name: string }[] }>(uri, "experiments/search", {
    max_results: 10_000,
  });
  const found: { runs?: { info: { run_id: string } }[] } = await ask(uri, "runs/search", {
    experiment_ids: experiments.map(({ experiment_id }) => experiment_id),
    filter: `tags.\`coffer.run_id\` = "${id}"`,
    run_view_type: "ALL",
  });
  const connection = connectQuickly(uri);
  return Promise.all(
    (found.runs ?? []).map(async ({ info }) => {
      const run = await getRun(connection, info.run_id);
      const histories = await Promise.all(
        run.metricKeys.map(
          async (key) =>
            [
              key,
              (await Array.fromAsync(readMetricHistory(connection, run.id, key))).flat().map(({ value, step }) => [step, value]),
            ] as const,
        ),
      );
      return {
        id: run.id,
        experiment: run.experimentId,
        name: run.name,
        status: run.status,
        params: Object.fromEntries(run.params),
        tags: Object.fromEntries(run.tags),
        metrics: Object.fromEntries(histories),
        artifacts: Object.fromEntries(await listArtifacts(connection, run.id)),
      };
    }),
  );
}

export interface SeenRun {
  id: string;
  experiment: string;
  name: string;
  status: string;
  params: Record<string, string>;
  tags: Record<string, string>;
  /** [step, value] of each point. */
  metrics: Record<string, number[][]>;
  artifacts: Record<string, number>;
}

export async function ask<T = unknown>(uri: string, route: string, body: object): Promise<T> {
  const answer = await fetch(`${uri}/api/2.0/mlflow/${route}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** `runs/create` of `POST /api/2.0/mlflow/runs/create`, `PUT w.bin` of an upload. */
export function short(request: string): string {
  const parts = request.split("/");
  return request.startsWith("PUT ") ? `PUT ${parts.at(-1)}` : parts.slice(-2).join("/");
}

export function points(key: string, values: readonly number[]): MetricPoint[] {
  return values.map((value, step) => ({ key, value, step, time: 1_700_000_000_000 + step }));
}
