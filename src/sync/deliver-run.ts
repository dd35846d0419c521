import { loadBlake3 } from "../blobs/blake3.ts";
import { journalDelivery } from "../db/delivery/delivery-snapshot.ts";
import * as outbox from "../db/delivery/outbox.ts";
import type { DeliveryRow, OutboxRow, OutboxStep } from "../db/delivery/outbox.ts";
import * as inputs from "../db/records/run-inputs.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as metrics from "../db/records/metrics.ts";
import { CofferError } from "../domain/error.ts";
import { mlflowStatus } from "../domain/run-state.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { updateRun } from "../mlflow/tracking/runs.ts";
import type { RemoteRun } from "../mlflow/tracking/runs.ts";
import { dropTwins } from "./record/drop-twins.ts";
import { directoriesOf, layOut } from "./files/lay-out.ts";
import type { Laid, Layout } from "./files/lay-out.ts";
import { listThere } from "./record/list-there.ts";
import { reachRun, standingOf } from "./record/reach-run.ts";
import { readBack } from "./record/read-back.ts";
import type { Missing } from "./record/read-back.ts";
import type { Outcome } from "./report.ts";
import { saysOf } from "./record/says.ts";
import { sendArtifacts } from "./files/send-artifacts.ts";
import { sendMetrics, sendParams, sendTags } from "./record/send-data.ts";
import { sendInputs } from "./record/send-inputs.ts";
import { sendModels } from "./record/send-models.ts";
import { endsAll, inWords, isRefusal } from "./sync.ts";
import type { Delivering } from "./sync.ts";
import { tell } from "./tell.ts";

/** What became of a run that was tried. */
export type RunResult = Outcome & { state: Exclude<Outcome["state"], "busy" | "running"> };

/** What the server lacks is sent once more; what was logged meanwhile may take another round. */
const ROUNDS = 3;

/**
 * Delivers one run, whose sync lease the caller holds.
 *
 * 0. A run that the server was told of before is looked up first: it may be deleted there, or gone with all that it was told.
 * 1. What is open in the outbox is sent: run, params, tags, metrics, inputs, artifacts, models, end. Each step is settled as it happens. One that is refused leaves a word
 *    at its entry, and the others go on: a run that ended is never left running because of a file.
 * 2. The run is read back. What the server lacks is opened again and sent once more.
 * 3. Only what was read back whole, and did not change meanwhile, counts as synced.
 *
 * @throws CofferError SERVER_UNREACHABLE; all that was settled stays so
 */
export async function deliverRun(one: Delivering): Promise<RunResult> {
  const { store } = one.sync;
  store.transaction(() => {
    outbox.updateDelivery(store.db, one.delivery.seq, { tries: one.delivery.tries + 1 });
    outbox.enqueue(store.db, one.delivery.seq, "run");
  });
  // the number of tries before this one tells whether something may be there already
  let again = one.delivery.tries > 0;
  let lacked = false;
  const laid: Laid = new Map();
  for (let round = 1; ; round++) {
    const before = saysNow(one);
    const failure = await sendOpen(one, again, laid);
    if (failure) return recordFailure(one, failure);
    const layout = await layOut(store, one.delivery.seq, laid);
    const open = outbox.entries(store.db, one.delivery.seq).filter((entry) => entry.settled_at === null);
    if (open.length > 0) {
      // models wait for their files
      if (one.sync.skipArtifacts && open.every(({ step }) => step === "artifact" || step === "models"))
        return { state: "withheld", error: undefined };
      // logged while the rest was sent
      if (round === ROUNDS) return recordFailure(one, incomplete([]));
      again = true;
      continue;
    }
    let missing: Missing;
    try {
      await dropTwins(one, layout, standingOf(one.delivery, runEntry(one)).alongside);
      missing = await readBack(one, layout, runEntry(one));
      syncPoint("sync.read-back");
    } catch (error) {
      if (endsAll(error)) throw error;
      return recordFailure(one, error as CofferError);
    }
    // what was logged while it was read back is not missing: it is yet to be sent
    const words: string[] = saysNow(one) === before ? reopenMissing(one, missing, lacked) : [];
    if (words.length === 0 && settleDelivery(one, before)) {
      syncPoint("sync.settled");
      return { state: "synced", error: undefined };
    }
    if ((words.length > 0 && lacked) || round === ROUNDS) return recordFailure(one, incomplete(words));
    lacked ||= words.length > 0;
    again = true;
  }
}

/**
 * Sends what is open (`again`: an earlier try may have left something there); returns the first step's error that concerns this step alone. Of a run that goes on, what it read and its models wait for its end:
 * only then is it known whether an input changed, and what belongs to a model.
 * @throws CofferError SERVER_UNREACHABLE
 */
export async function sendOpen(one: Delivering, again: boolean, laid: Laid): Promise<CofferError | undefined> {
  const { sync } = one;
  // what was asked for in an earlier round knows nothing of the files of this one
  one.listing = undefined;
  const live = one.run.state === "running";
  let failure: CofferError | undefined;
  const step = async (name: Exclude<OutboxStep, "artifact">, send: (entry: OutboxRow) => Promise<void>): Promise<boolean> => {
    const entry = outbox.entryOf(sync.store.db, one.delivery.seq, name);
    if (!entry || entry.settled_at !== null) return true;
    try {
      await send(entry);
      syncPoint("sync.step-settled");
      return true;
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      sync.store.transaction(() => outbox.failed(sync.store.db, entry.seq, inWords(error)));
      if (endsAll(error)) throw error;
      failure ??= error;
      return false;
    }
  };
  let remote: RemoteRun | undefined;
  const [reached] = await Promise.all([
    step("run", async (entry) => {
      remote = await reachRun(one, entry);
    }),
    makeReady(one, laid),
  ]);
  if (!reached) return failure;
  const { given, alongside } = standingOf(one.delivery, runEntry(one));
  await step("params", (entry) => sendParams(one, entry, remote));
  await step("tags", (entry) => sendTags(one, entry, remote, given));
  await step("metrics", (entry) => sendMetrics(one, entry));
  if (!live) await step("inputs", (entry) => sendInputs(one, entry));
  const unsent = await sendOpenFiles(one, laid, { alongside, again });
  failure ??= unsent;
  if (live) return failure;
  // a model counts as ready once its files are there
  if (openArtifacts(one).length === 0)
    await step("models", async (entry) => sendModels(one, entry, await layOut(sync.store, one.delivery.seq, laid), alongside));
  await step("end", async (entry) => {
    if (openArtifacts(one).length === 0) await listAhead(one, laid);
    await sendEnd(one, entry, given);
  });
  return failure;
}

/** Milliseconds. Bun sends its first request from a thread that has to start, and what is done meanwhile would hold it up. */
const UNTIL_SENT = 4;

/** While the server answers the first request, what the files will need is brought into memory. Whoever needs it asks again, and gets the error. */
async function makeReady(one: Delivering, laid: Laid): Promise<void> {
  if (runEntry(one).settled_at !== null || one.sync.skipArtifacts || openArtifacts(one).length === 0) return;
  await Bun.sleep(UNTIL_SENT);
  try {
    await loadBlake3();
    await layOut(one.sync.store, one.delivery.seq, laid);
  } catch {}
}

/** The files are all there by now, whatever the server is told of the run: its answer is waited for when it is needed. */
async function listAhead(one: Delivering, laid: Laid): Promise<void> {
  const { pieces } = await layOut(one.sync.store, one.delivery.seq, laid);
  const files = pieces.flatMap((piece) => piece.files);
  if (files.length === 0) return;
  one.listing = listThere(one, directoriesOf(files));
  one.listing.catch(() => undefined);
}

async function sendOpenFiles(
  one: Delivering,
  laid: Laid,
  options: { alongside: boolean; again: boolean },
): Promise<CofferError | undefined> {
  const { store, skipArtifacts } = one.sync;
  if (openArtifacts(one).length === 0) return undefined;
  const layout = await layOut(store, one.delivery.seq, laid);
  setAside(one, layout);
  if (skipArtifacts) return undefined;
  for (const note of layout.notes) tell(one, note);
  return sendArtifacts(one, layout, options);
}

/** Entries that nothing is to be sent for: a newer artifact has the path, or it was taken out of sight. */
function setAside(one: Delivering, { superseded, withdrawn }: Layout): void {
  const { store } = one.sync;
  store.transaction(() => {
    for (const entry of superseded) if (entry.settled_at === null) outbox.settle(store.db, entry.seq, store.now(), { how: "superseded" });
    for (const { entry } of withdrawn) outbox.remove(store.db, entry.seq);
  });
  for (const { artifact } of withdrawn)
    tell(one, { kind: "skipped", message: `${artifact.path} was taken out of sight, so it is not sent` });
}

/** Whoever made a run ends it: somebody else's stays as it is. */
async function sendEnd({ sync: { connection, store }, run, delivery }: Delivering, entry: OutboxRow, given: boolean): Promise<void> {
  if (!given)
    await updateRun(connection, delivery.remote_run as string, {
      status: mlflowStatus(run.state),
      ...(run.ended_at !== null && { endTime: run.ended_at }),
    });
  syncPoint("sync.end-sent");
  store.transaction(() => outbox.settle(store.db, entry.seq, store.now()));
}

/** Opens again what the server lacks. Returns what that is, in words. */
export function reopenMissing(one: Delivering, missing: Missing, lastTime: boolean): string[] {
  const { store } = one.sync;
  const { seq } = one.delivery;
  const words: string[] = [];
  store.transaction(() => {
    const reopen = (entry: number | undefined, why: string, how?: "doubted"): void => {
      words.push(why);
      if (entry !== undefined) outbox.reopen(store.db, entry, why, how);
    };
    for (const step of ["params", "tags", "metrics", "inputs", "models", "end"] as const)
      if (missing[step] !== undefined) reopen(outbox.entryOf(store.db, seq, step)?.seq, missing[step]);
    for (const [entry, why] of missing.artifacts) reopen(entry, why, missing.differing.has(entry) ? "doubted" : undefined);
    if (missing.metrics !== undefined) outbox.updateDelivery(store.db, seq, { metrics_sent: 0 });
  });
  one.delivery = outbox.bySeq(store.db, seq) as DeliveryRow;
  if (!lastTime) for (const why of words) one.tally.notes.push(`${why}: sent again`);
  return words;
}

/** Done, unless something was logged to the run since `before`: then it is told as well. */
function settleDelivery(one: Delivering, before: string): boolean {
  const { store } = one.sync;
  const { seq } = one.delivery;
  return store.transaction(() => {
    one.run = runs.bySeq(store.db, one.run.seq) as RunRow;
    if (saysNow(one) !== before) for (const step of ["params", "tags", "metrics", "inputs"] as const) outbox.enqueue(store.db, seq, step);
    if (outbox.isAnythingOpen(store.db, seq)) return false;
    const now = store.now();
    outbox.updateDelivery(store.db, seq, { state: "synced", synced_at: now, updated_at: now, last_error: null });
    journalDelivery(store.db, seq, now);
    return true;
  });
}

/** All that a run says beside its artifacts, whose entries speak for themselves: to see that nothing came in between. */
function saysNow({ sync: { store }, run }: Delivering): string {
  return JSON.stringify([saysOf(store, run.seq), metrics.last(store.db, run.seq), inputs.ofRun(store.db, run.seq).length]);
}

export function recordFailure(one: Delivering, error: CofferError): RunResult {
  const { store } = one.sync;
  const state = isRefusal(error) ? "refused" : "pending";
  store.transaction(() =>
    outbox.updateDelivery(store.db, one.delivery.seq, { state, last_error: inWords(error), updated_at: store.now() }),
  );
  return { state, error };
}

function incomplete(words: readonly string[]): CofferError {
  const [first = "the run was logged to all the while", ...more] = words;
  return new CofferError("INCOMPLETE", `${first}${more.length > 0 ? `, and ${more.length} more` : ""}`, {
    hint: "look into the server's log if it stays so",
  });
}

function openArtifacts({ sync: { store }, delivery }: Delivering): OutboxRow[] {
  return outbox.entries(store.db, delivery.seq).filter((entry) => entry.step === "artifact" && entry.settled_at === null);
}

function runEntry({ sync: { store }, delivery }: Delivering): OutboxRow {
  return outbox.entryOf(store.db, delivery.seq, "run") as OutboxRow;
}
