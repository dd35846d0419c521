import * as outbox from "../../db/delivery/outbox.ts";
import type { OutboxRow } from "../../db/delivery/outbox.ts";
import * as params from "../../db/records/params.ts";
import * as metrics from "../../db/records/metrics.ts";
import { mlflowStatus } from "../../domain/run-state.ts";
import { prepareParam, prepareTag } from "../../mlflow/tracking/log-values.ts";
import type { Tag } from "../../mlflow/tracking/log-values.ts";
import { findModels } from "../../mlflow/tracking/logged-models.ts";
import { readHistory, storedValue } from "../../mlflow/tracking/metric-history.ts";
import { remoteKey } from "../../mlflow/tracking/remote-key.ts";
import { getRun } from "../../mlflow/tracking/runs.ts";
import type { RemoteRun } from "../../mlflow/tracking/runs.ts";
import { inParallel } from "../files/in-parallel.ts";
import { directoriesOf } from "../files/lay-out.ts";
import type { Layout, Piece } from "../files/lay-out.ts";
import { listThere } from "./list-there.ts";
import { standingOf } from "./reach-run.ts";
import type { Standing } from "./reach-run.ts";
import { revive } from "./revive.ts";
import { ownTags } from "./send-data.ts";
import { datasetInputs } from "./send-inputs.ts";
import { modelPieces, modelsOf } from "./send-models.ts";
import type { Delivering } from "../sync.ts";
import { verifyBytes } from "../files/verify-bytes.ts";

/** What the server does not have as it should, in words; empty where all is there. */
export interface Missing {
  end: string | undefined;
  params: string | undefined;
  tags: string | undefined;
  metrics: string | undefined;
  inputs: string | undefined;
  models: string | undefined;
  /** By the seq of its outbox entry. */
  artifacts: Map<number, string>;
  /** Those of the artifacts that have their size, and other bytes. */
  differing: ReadonlySet<number>;
}

/** Metric histories read at once: each is a request or more. */
const HISTORIES_AT_ONCE = 4;

/**
 * Reads a run back: status, params, distinct metric points, each artifact's path and size. An answer of 200 proves nothing with MLflow, which drops what
 * follows a bad value and publishes uploads that were cut.
 * `entry`: of the step `run`. What a script of somebody's logged to the run beside it is no matter.
 * With `verifyBytes`, each file is read as well. A run that is deleted there is brought back, if that was asked for.
 * @throws CofferError SERVER_REFUSED where the run is deleted or gone; SERVER_UNREACHABLE
 */
export async function readBack(one: Delivering, layout: Layout, entry: OutboxRow): Promise<Missing> {
  const { connection, verifyBytes: toVerify } = one.sync;
  const reaching = getRun(connection, one.delivery.remote_run as string).then((remote) => revive(one, remote));
  const [reached, listed] = await Promise.allSettled([reaching, checkArtifacts(one, layout)]);
  // what is wrong with the run itself is said first
  if (reached.status === "rejected") throw reached.reason;
  if (listed.status === "rejected") throw listed.reason;
  const [remote, artifacts] = [reached.value, listed.value];
  const whole = layout.pieces.filter(({ entry }) => !artifacts.has(entry.seq));
  const others = toVerify ? await verifyBytes(one, whole) : new Map<number, string>();
  const standing = standingOf(one.delivery, entry);
  return {
    end: standing.given ? undefined : checkEnd(one, remote),
    params: checkParams(one, remote, standing),
    tags: checkTags(one, remote, standing),
    metrics: await checkMetrics(one, remote),
    inputs: checkInputs(one, remote),
    models: await checkModels(one, remote, layout, standing),
    artifacts: new Map([...artifacts, ...others]),
    differing: new Set(others.keys()),
  };
}

function checkEnd({ run }: Delivering, remote: RemoteRun): string | undefined {
  const wanted = mlflowStatus(run.state);
  if (remote.status !== wanted) return `the run is ${remote.status} there, not ${wanted}`;
  return remote.endTime === run.ended_at ? undefined : "the run ended at another time there";
}

function checkParams({ sync: { store }, run }: Delivering, remote: RemoteRun, { attached }: Standing): string | undefined {
  // two that MLflow calls the same: one of their values is there
  const wanted = new Map<string, Set<string>>();
  for (const [key, value] of Object.entries(params.ofRun(store.db, run.seq))) {
    const prepared = prepareParam({ key, value }).value;
    wanted.set(prepared.key, (wanted.get(prepared.key) ?? new Set()).add(prepared.value));
  }
  // the first value of a param stays for good: the one that a script logged, where it was faster
  const isThere = (key: string, values: ReadonlySet<string>): boolean =>
    attached ? remote.params.has(key) : values.has(remote.params.get(key) as string);
  return lacking([...wanted].filter(([key, values]) => !isThere(key, values)).length, wanted.size, "params");
}

/** What somebody changed on the page since stays; right after it was sent, and where nobody else logs, a tag has our value. */
function checkTags(one: Delivering, remote: RemoteRun, { given, alongside }: Standing): string | undefined {
  const mayDiffer = one.delivery.state === "synced" || alongside;
  // two that MLflow calls the same: the last one counts
  const named = new Map(ownTags(one, given).map((tag) => [prepareTag(tag).value.key, prepareTag(tag).value] as const));
  const wanted = [...named.values()];
  const isThere = ({ key, value }: Tag): boolean => {
    const there = remote.tags.get(key);
    // older servers keep less of a long one, without a word
    return there !== undefined && (mayDiffer || (value.startsWith(there) && (there !== "" || value === "")));
  };
  return lacking(wanted.filter((tag) => !isThere(tag)).length, wanted.length, "tags");
}

async function checkMetrics({ sync: { store, connection }, run }: Delivering, remote: RemoteRun): Promise<string | undefined> {
  const there = new Set(remote.metricKeys);
  let missing = 0;
  let all = 0;
  await inParallel(metrics.keys(store.db, run.seq), HISTORIES_AT_ONCE, async (key) => {
    const name = remoteKey(key).key;
    const wanted = new Set(metrics.distinctPoints(store.db, run.seq, key).map(({ value, step, time }) => spell(value, step, time)));
    all += wanted.size;
    if (there.has(name))
      for await (const points of readHistory(connection, remote.id, name, wanted.size))
        for (const { value, step, timestamp } of points) wanted.delete(spell(value, step, timestamp));
    missing += wanted.size;
  });
  return lacking(missing, all, "metric points");
}

function checkInputs(one: Delivering, remote: RemoteRun): string | undefined {
  if (!isTold(one, "inputs")) return undefined;
  const there = new Set(remote.datasets.map(({ name, digest }) => `${name}\0${digest}`));
  const wanted = datasetInputs(one);
  return lacking(wanted.filter(({ name, digest }) => !there.has(`${name}\0${digest}`)).length, wanted.length, "inputs");
}

async function checkModels(one: Delivering, remote: RemoteRun, layout: Layout, { alongside }: Standing): Promise<string | undefined> {
  const wanted = modelPieces(layout, alongside);
  if (!isTold(one, "models") || wanted.length === 0) return undefined;
  const known = (await findModels(one.sync.connection, remote.experimentId, remote.id)) ?? [];
  const isThere = (piece: Piece): boolean => modelsOf(known, piece).some(({ id, isReady }) => isReady && remote.models.includes(id));
  return lacking(wanted.filter((piece) => !isThere(piece)).length, wanted.length, "models");
}

/** Whether such a step was sent, to a server that is new enough for it. */
function isTold({ sync: { store }, delivery }: Delivering, step: "inputs" | "models"): boolean {
  const entry = outbox.entryOf(store.db, delivery.seq, step);
  return entry !== null && entry.settled_at !== null && entry.how !== "unsupported";
}

async function checkArtifacts(one: Delivering, { pieces }: Layout): Promise<Map<number, string>> {
  const missing = new Map<number, string>();
  const { listing } = one;
  one.listing = undefined;
  const files = pieces.flatMap((piece) => piece.files);
  if (files.length === 0) return missing;
  const there = await (listing ?? listThere(one, directoriesOf(files)));
  for (const piece of pieces) {
    const bad = piece.files.find((file) => there.get(file.path) !== file.size);
    if (!bad) continue;
    const size = there.get(bad.path);
    missing.set(
      piece.entry.seq,
      size === undefined ? `the server does not have ${bad.path}` : `the server has ${size} of the ${bad.size} bytes of ${bad.path}`,
    );
  }
  return missing;
}

/** As a server keeps a point: NaN is one value, the infinities are the largest numbers, and -0 is 0. */
function spell(value: number, step: number, time: number): string {
  return `${step} ${time} ${storedValue(value)}`;
}

function lacking(missing: number, of: number, what: string): string | undefined {
  return missing === 0 ? undefined : `the server lacks ${missing} of ${of} ${what}`;
}
