import { createHash, randomBytes } from "node:crypto";
import { expect } from "bun:test";
import * as inputs from "../../../src/db/records/run-inputs.ts";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { cleanEnvironment, coffer, spawnCoffer } from "../../support/coffer.ts";
import type { CofferResult } from "../../support/coffer.ts";
import type { Reader, WholeRun } from "../../support/mlflow.ts";
import { openTestStore } from "../../support/store.ts";
import type { Given, TestStore } from "../../support/store.ts";
import { deliveryOf, points, say, tellLater } from "../../support/told.ts";

const MIB = 1024 * 1024;
const LARGE = randomBytes(12 * MIB);
const MODEL = { MLmodel: "flavors: {}\n", "data/weights.bin": "w".repeat(5000), "data/empty": "" };

/** One try more for each request, at once. */
const QUICK = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0" };
export const ONE_TRY = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };

/** A store with a run that has something of everything, and the compiled binary to deliver it. */
export interface ToldWhole extends Disposable {
  readonly stored: TestStore;
  readonly run: RunRow;
  /** The run around it. */
  readonly parent: RunRow;
  /** `coffer sync-mlflow` to its end. */
  sync(env?: Readonly<Record<string, string>>, words?: readonly string[]): Promise<CofferResult>;
  spawn(env?: Readonly<Record<string, string>>): ReturnType<typeof spawnCoffer>;
  /** As a user without any thought calls it: gives 0, and MLflow's own client finds all of it, once. */
  endsWell(reader: Reader, env?: Readonly<Record<string, string>>): Promise<WholeRun>;
}

/**
 * A run inside another: 2,500 points of five metrics, not-a-number and infinities among them; 120 params; tags; an input; a model that MLflow can load;
 * 30 small files, one of 12 MiB, and an empty one. `more`: environment of every call.
 */
export async function tellWhole(uri: string, more: Readonly<Record<string, string>> = {}): Promise<ToldWhole> {
  const experiment = `faults ${Bun.randomUUIDv7()}`;
  const stored = await openTestStore({ "tracking.mlflow.uri": uri, "tracking.mlflow.experiment": experiment });
  const { run: parent } = await tellLater(stored, { run: { name: "search" }, params: { folds: "5" } });
  const params = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`param ${index}`, `value ${index}`]));
  const tags = { team: "a", "a tag": "with “quotes”, and more" };
  const odd = [Number.NaN, Infinity, -Infinity, 0.1];
  const metrics = ["loss", "accuracy", "rate", "val/loss", "val/accuracy"].flatMap((key, nth) =>
    points(
      key,
      Array.from({ length: 500 }, (_, step) => (step % 100 < odd.length ? (odd[step % 100] as number) : (step + nth) / 7)),
    ),
  );
  const files = new Map<string, string | Uint8Array>([
    ["large.bin", LARGE],
    ["empty.txt", ""],
    ...Array.from({ length: 30 }, (_, index) => [`small/${index % 3}/file ${index}.txt`, `${index} `.repeat(1 + index * 50)] as const),
  ]);
  const artifacts: Given[] = [...files].map(([path, bytes]) => ({ path, bytes }));
  artifacts.push({ path: "model", files: MODEL });
  const { run } = await tellLater(stored, { run: { name: "trial", parent: parent.seq, ended_at: stored.now - 1234 }, artifacts });
  inputs.add(stored.store.db, {
    run: run.seq,
    artifact: null,
    path: "/data/raw.csv",
    digest: `blake3:${"ab".repeat(32)}`,
    size: 12,
    how: "declared",
  });
  say(stored, run, { params, tags, metrics });

  const options = (env: Readonly<Record<string, string>>) => ({
    root: stored.store.settings.roots.store,
    env: {
      ...cleanEnvironment(),
      ...QUICK,
      MLFLOW_TRACKING_URI: uri,
      MLFLOW_EXPERIMENT_NAME: experiment,
      ...more,
      ...env,
    },
  });
  const expected = new Map<string, string | Uint8Array>([
    ...files,
    ...Object.entries(MODEL).map(([path, text]) => [`model/${path}`, text] as const),
  ]);
  const told: ToldWhole = {
    stored,
    run,
    parent,
    sync: (env = {}, words = []) => coffer(["sync-mlflow", "--json", ...words], options(env)),
    spawn: (env = {}) => spawnCoffer(["sync-mlflow", "--json"], options(env)),
    async endsWell(reader, env = {}) {
      const last = await told.sync(env);
      expect(last).toMatchObject({ code: 0 });
      const [seen, ...more] = await reader.runs(run.id);
      expect(more.map(({ run_id }) => run_id)).toEqual([]);
      const [around, ...others] = await reader.runs(parent.id);
      expect(others).toEqual([]);
      expect(around).toMatchObject({ status: "FINISHED", params: { folds: "5" } });
      if (!seen) throw new Error("the server has no such run");
      expect(seen).toMatchObject({
        run_id: deliveryOf(stored, run).remote_run as string,
        experiment,
        name: "trial",
        status: "FINISHED",
        start_time: run.started_at,
        end_time: run.ended_at,
        params,
        tags: { ...tags, "mlflow.parentRunId": around?.run_id as string, "coffer.run_id": run.id },
        inputs: [{ name: "raw.csv" }],
        models: [{ status: "READY", source_run_id: seen.run_id, artifacts: sizes(new Map(Object.entries(MODEL))) }],
      });
      expect(Object.keys(seen.params)).toHaveLength(120);
      expect(seen.inputs).toHaveLength(1);
      expect(seen.logged_models).toEqual(seen.models.map(({ model_id }) => model_id));
      for (const key of new Set(metrics.map((point) => point.key)))
        expect(seen.metrics[key]).toEqual(
          metrics.filter((point) => point.key === key).map(({ value, step, time }) => [asRead(value), step, time]),
        );
      expect(Object.keys(seen.metrics)).toHaveLength(5);
      expect(seen.artifacts).toEqual(sizes(expected));
      expect(seen.digests).toEqual(digests(expected));
      return seen;
    },
    [Symbol.dispose]: () => stored[Symbol.dispose](),
  };
  return told;
}

function asRead(value: number): number | string {
  return Number.isNaN(value) ? "nan" : Number.isFinite(value) ? value : Math.sign(value) * Number.MAX_VALUE;
}

function sizes(files: ReadonlyMap<string, string | Uint8Array>): Record<string, number> {
  return Object.fromEntries([...files].map(([path, bytes]) => [path, Buffer.byteLength(bytes)]));
}

function digests(files: ReadonlyMap<string, string | Uint8Array>): Record<string, string> {
  return Object.fromEntries([...files].map(([path, bytes]) => [path, createHash("sha256").update(bytes).digest("hex")]));
}
