import * as outbox from "../../db/delivery/outbox.ts";
import type { DeliveryRow, OutboxRow } from "../../db/delivery/outbox.ts";
import * as params from "../../db/records/params.ts";
import * as metrics from "../../db/records/metrics.ts";
import * as tags from "../../db/records/tags.ts";
import { CofferError } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { planBatches, sendBatch } from "../../mlflow/tracking/log-batch.ts";
import type { Batch, BatchPlan } from "../../mlflow/tracking/log-batch.ts";
import { prepareParam } from "../../mlflow/tracking/log-values.ts";
import type { Tag } from "../../mlflow/tracking/log-values.ts";
import { mergedKeys } from "../../mlflow/tracking/merged-keys.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { fitRunName, fitUser, getRun } from "../../mlflow/tracking/runs.ts";
import type { RemoteRun } from "../../mlflow/tracking/runs.ts";
import { inParallel } from "../files/in-parallel.ts";
import { freshNote, keepNote, parentTag } from "./run-tags.ts";
import { checkTime } from "../sync.ts";
import type { Delivering } from "../sync.ts";
import { noteOf, tell } from "../tell.ts";

/** Points that are read and checked at a time. */
const PAGE = 4000;

/** The server takes as many batches at once with profit: its database lets one write. A crash repeats no more than these. */
const BATCHES_AT_ONCE = 3;

/** The tag that a run is found again by is not the user's to set. */
const RESERVED = "coffer.run_id";

/** Tags that the server also keeps in a column of a run, which is narrower. */
const COLUMNS: ReadonlyMap<string, (text: string) => string> = new Map([
  ["mlflow.runName", fitRunName],
  ["mlflow.user", fitUser],
]);

/**
 * Settles the step `params`. What the server has already (`remote`, where it was just asked) is not sent again, and another value than the server's
 * cannot be: the first one stays there for good. That is an error, unless the run's own script was to log there, too.
 * @throws CofferError SERVER_REFUSED, VALUE_INVALID, SERVER_UNREACHABLE
 */
export async function sendParams(one: Delivering, entry: OutboxRow, reached: RemoteRun | undefined): Promise<void> {
  const { store, connection } = one.sync;
  const attached = one.delivery.attached === 1;
  const remote = attached ? (reached ?? (await getRun(connection, one.delivery.remote_run as string))) : reached;
  const all = Object.entries(params.ofRun(store.db, one.run.seq)).map(([key, value]) => ({ key, value }));
  const there = (param: { key: string; value: string }): string | undefined => remote?.params.get(prepareParam(param).value.key);
  const fresh = all.filter((param) => there(param) === undefined);
  one.tally.params += await send(one, planBatches({ params: fresh }));
  syncPoint("sync.params-sent");
  // of two params with one name there the first value stays, whichever that is
  const merged = mergedKeys(
    "param",
    all.map(({ key }) => key),
  );
  for (const change of merged) tell(one, noteOf(change));
  const shared = new Set(merged.map(({ to }) => to));
  const own = all.filter((param) => !shared.has(prepareParam(param).value.key));
  const fixed = own.filter((param) => (there(param) ?? prepareParam(param).value.value) !== prepareParam(param).value.value);
  if (fixed[0]) {
    const words = `param “${fixed[0].key}” is “${there(fixed[0])}” on the server, and “${fixed[0].value}” here${fixed.length > 1 ? `; ${fixed.length - 1} others differ too` : ""}`;
    if (!attached) throw new ServerRefusal(words, { hint: "MLflow keeps the first value of a param: log the new one under another name" });
    tell(one, { kind: "skipped", message: `${words}: MLflow keeps the first value, which the script logged` });
  }
  store.transaction(() => outbox.settle(store.db, entry.seq, store.now()));
}

/** Settles the step `tags`. `remote`: where it was just asked. @throws CofferError SERVER_REFUSED, VALUE_INVALID, SERVER_UNREACHABLE */
export async function sendTags(one: Delivering, entry: OutboxRow, remote: RemoteRun | undefined, given: boolean): Promise<void> {
  const { store } = one.sync;
  const said = tags.of(store.db, "run", one.run.seq);
  for (const [key, fit] of COLUMNS) {
    const [before, after] = [said[key] ?? "", fit(said[key] ?? "")];
    const [length, left] = [[...before].length, [...after].length];
    if (after !== before) tell(one, noteOf({ kind: "tag", key, what: left < length ? "cut" : "cleaned", to: left }));
  }
  if (RESERVED in said) one.tally.notes.push(`the tag ${RESERVED} is not sent: coffer finds its runs by it`);
  // somebody else's run keeps its own note
  const note = given ? [] : freshNote(one, remote);
  one.tally.tags += await send(one, planBatches({ tags: [...note, ...ownTags(one, given)] }));
  syncPoint("sync.tags-sent");
  if (note[0]) keepNote(one, note[0]);
  store.transaction(() => outbox.settle(store.db, entry.seq, store.now()));
}

/** The run's tags, the one for the run around it among them; somebody else's run keeps its own parent. */
export function ownTags(one: Delivering, given: boolean): Tag[] {
  const own = Object.entries(tags.of(one.sync.store.db, "run", one.run.seq)).map(([key, value]) => ({
    key,
    value: COLUMNS.get(key)?.(value) ?? value,
  }));
  return [...(given ? [] : parentTag(one)), ...own.filter(({ key }) => key !== RESERVED)];
}

/**
 * Settles the step `metrics`, from the last point on that the server is known to have; what is known moves on with each page.
 * @throws CofferError SERVER_REFUSED, VALUE_INVALID, SERVER_UNREACHABLE
 */
export async function sendMetrics(one: Delivering, entry: OutboxRow): Promise<void> {
  const { store } = one.sync;
  const points = { done: 0, of: metrics.countAfter(store.db, one.run.seq, one.delivery.metrics_sent) };
  const files = outbox.openFiles(store.db, one.delivery.seq);
  const show = (): void =>
    one.tally.progress({
      run: one.run.id,
      points: { ...points },
      files: { done: 0, of: files.files },
      bytes: { done: 0, of: files.bytes },
    });
  if (points.of > 0) show();
  const merged = points.of > 0 ? mergedKeys("metric", metrics.keys(store.db, one.run.seq)) : [];
  for (const change of merged) tell(one, noteOf(change));
  const waiting: MetricBatch[] = [];
  await inParallel(metricBatches(one, waiting), BATCHES_AT_ONCE, async (mine) => {
    checkTime(one.sync);
    await sendBatch(one.sync.connection, one.delivery.remote_run as string, mine.batch);
    syncPoint("sync.metrics-sent");
    one.tally.metrics += mine.batch.metrics.length;
    points.done += mine.batch.metrics.length;
    mine.isThere = true;
    let known: number | undefined;
    while (waiting[0]?.isThere) known = waiting.shift()?.last;
    if (known !== undefined) store.transaction(() => outbox.updateDelivery(store.db, one.delivery.seq, { metrics_sent: known }));
    syncPoint("sync.metrics-noted");
    show();
  });
  store.transaction(() => outbox.settle(store.db, entry.seq, store.now()));
  one.delivery = outbox.bySeq(store.db, one.delivery.seq) as DeliveryRow;
}

interface MetricBatch {
  batch: Batch;
  /** seq of its last point. */
  last: number;
  isThere: boolean;
}

/** All that was not sent, page by page; each batch is also put behind those that are under way. */
function* metricBatches(one: Delivering, waiting: MetricBatch[]): Generator<MetricBatch> {
  const { store } = one.sync;
  const seqs = metrics.seqsSince(store.db, one.run.seq, one.delivery.metrics_sent);
  for (let start = 0; start < seqs.length; start += PAGE) {
    const own = seqs.slice(start, start + PAGE);
    const page = metrics.between(store.db, one.run.seq, own[0] as number, own.at(-1) as number);
    const plan = planBatches({ metrics: page.map(({ key, value, step, time }) => ({ key, value, step, timestamp: time })) });
    for (const change of plan.changes) tell(one, noteOf(change));
    let end = 0;
    for (const batch of plan.batches) {
      end += batch.metrics.length;
      const next = { batch, last: own[end - 1] as number, isThere: false };
      waiting.push(next);
      yield next;
    }
  }
}

/** Sends the batches of a plan at once, and says what MLflow will show differently. Returns the number of values. */
async function send(one: Delivering, { batches, changes }: BatchPlan): Promise<number> {
  checkTime(one.sync);
  for (const change of changes) tell(one, noteOf(change));
  const results = await Promise.allSettled(
    batches.map((batch) => sendBatch(one.sync.connection, one.delivery.remote_run as string, batch)),
  );
  const broken = results.filter((result) => result.status === "rejected").map((result) => result.reason as unknown);
  const worst = broken.find((error) => !(error instanceof CofferError) || error.code === "SERVER_UNREACHABLE") ?? broken[0];
  if (worst !== undefined) throw worst;
  return batches.reduce((sum, batch) => sum + batch.metrics.length + batch.params.length + batch.tags.length, 0);
}
