import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as events from "../../db/records/events.ts";
import * as leases from "../../db/bytes/leases.ts";
import type { LeaseRow } from "../../db/bytes/leases.ts";
import * as metrics from "../../db/records/metrics.ts";
import * as params from "../../db/records/params.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { CofferError, isFull, reason } from "../../domain/error.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import { self } from "../../domain/process-identity.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { enqueueRun } from "../../registry/enqueue.ts";
import { manifestIsDue, recordArtifact } from "../../registry/record.ts";
import { shownName } from "../../registry/shown-name.ts";
import { ingest } from "../../store/ingest/ingest.ts";
import { closeLease, dropLease, endLease, freeDeadLeases, holdsLease, leaseState, requireLease } from "../../store/lease.ts";
import type { Lease } from "../../store/lease.ts";
import type { IngestUnit } from "../../store/ingest/ingest-unit.ts";
import type { Store } from "../../store/store.ts";
import { lostWrapper } from "../../store/lost-wrapper.ts";
import { discardStaged } from "../outputs/discard-staged.ts";
import { findFamily } from "../child/family.ts";
import { finishRemoval } from "../workspace/finish-removal.ts";
import type { End } from "../finish.ts";
import { readLeftEnd, removeLeftEnd } from "./left-end.ts";
import { readReadings } from "../outputs/readings.ts";
import { withdraw } from "../withdraw.ts";

/**
 * What every command does on its way in: closes runs whose wrapper and child are both gone, frees what dead processes staged, and ends the
 * removal of a workspace that a crash interrupted. Costs one look at a table that is empty most of the time.
 */
export async function adoptDeadRuns(store: Store): Promise<RunRow[]> {
  const adopted: RunRow[] = [];
  // first the bytes that nobody wants: on a full disk the rows of the runs need their room
  freeDeadLeases(store);
  for (const lease of leases.all(store.db)) {
    if (lease.kind !== "run" || lease.run === null || leaseState(lease, store.now()) !== "dead") continue;
    const run = runs.bySeq(store.db, lease.run);
    if (run?.state !== "running") dropLease(store, lease);
    else if (!hasUnknownChild(run, lease)) {
      const closed = await adopt(store, lease.run, "seen");
      if (closed) adopted.push(closed);
    }
  }
  for (const run of runs.removing(store.db)) if (!leases.ofRun(store.db, run.seq)) await finishRemoval(store, run);
  return adopted;
}

/** The wrapper died before it could write down whom it had started: the run's processes are known by their environment. */
function hasUnknownChild(run: RunRow, lease: LeaseRow): boolean {
  const nobody = -1;
  return lease.child === null && findFamily(run.id, nobody).some((pid) => pid !== nobody);
}

/**
 * Closes a run that somebody knows to be dead, although its lease cannot tell (another machine, another container).
 * @throws CofferError PROTECTED where it is alive, or may be and nobody vouched for its death
 */
export async function closeRun(store: Store, run: RunRow, assumeDead: boolean): Promise<RunRow> {
  if (run.state !== "running")
    throw new CofferError("PROTECTED", `run ${run.id} has ended (${run.state})`, { hint: "there is nothing to close" });
  const lease = leases.ofRun(store.db, run.seq);
  const state = lease ? leaseState(lease, store.now()) : "dead";
  const age = lease ? Math.round((store.now() - lease.taken_at) / 60_000) : 0;
  if (state === "alive") throw aliveError(store, run);
  if (state === "unknown" && !assumeDead)
    throw new CofferError(
      "PROTECTED",
      `whether run ${run.id} is alive cannot be seen from here (it began ${age} minutes ago on another machine or in another container)`,
      { hint: "if you know that it is dead: coffer runs close RUN --assume-dead" },
    );
  return (await adopt(store, run.seq, state === "unknown" ? "assumed" : "certain")) ?? (runs.bySeq(store.db, run.seq) as RunRow);
}

function aliveError(store: Store, run: RunRow): CofferError {
  const left = lostWrapper(store, run.seq);
  const what = left
    ? `its wrapper has died, and its command still runs here${left.pid === null ? "" : ` as process ${left.pid}`}`
    : "it runs here";
  return new CofferError("PROTECTED", `run ${run.id} is alive: ${what}`, {
    hint: left ? "the next coffer command after its end closes it; to end it now, send it a signal" : "end it with a signal",
  });
}

/** Who says that it is dead: its lease as it stands, whoever looked at that before, or a person who may be wrong. */
type Death = "seen" | "certain" | "assumed";

async function adopt(store: Store, seq: number, death: Death): Promise<RunRow | undefined> {
  const lease = claim(store, seq, death !== "seen");
  if (!lease) return undefined;
  syncPoint("adopt.claimed");
  const run = runs.bySeq(store.db, seq) as RunRow;
  const workspace = run.workspace === null ? undefined : store.path(run.workspace);
  const left = workspace === undefined ? undefined : readLeftEnd(workspace);
  const units = leftLogs(store, lease);
  const readings = workspace === undefined ? undefined : readReadings({ workspace });
  const close = (problem: string | undefined): void => {
    const note = (kind: string, message: string, artifact: number | null = null) =>
      events.record(store.db, { at: store.now(), run: seq, artifact, kind, message });
    const { failure, keep_failed, notes, ...end } = left ?? {
      ...killed(run, lastSign(units)),
      failure: undefined,
      keep_failed: false,
      notes: [],
    };
    runs.update(store.db, seq, {
      ...end,
      adopted: 1,
      ...(workspace !== undefined && !existsSync(workspace) && { workspace_state: "removed" as const }),
    });
    note("adopted", left ? "its end could not be recorded when it came" : "its wrapper had died; its workspace stays");
    if (failure !== undefined) note("not-stored", `all outputs: ${failure}`);
    if (problem !== undefined) note("not-stored", `its log: ${problem}`);
    const known = params.ofRun(store.db, seq);
    params.set(
      store.db,
      seq,
      [...(readings?.params ?? [])].filter(([key]) => !(key in known)),
    );
    metrics.insert(store.db, seq, readings?.metrics ?? []);
    for (const words of [...notes, ...(readings?.skipped ?? [])]) note("note", words);
    const current = runs.bySeq(store.db, seq) as RunRow;
    const withdrawn = end.state === "finished" || keep_failed ? [] : withdraw(store, current, end.state);
    for (const artifact of withdrawn) note("withdrawn", `${shownName(artifact)}: the run ${end.state}`, artifact.seq);
    enqueueRun(store, current);
    manifestIsDue(store, seq);
  };
  const discard = (): void =>
    discardStaged(
      store,
      lease,
      units.map((unit) => unit.source),
    );
  // where its wrapper lives after all, it still writes the log there: gc takes that after the grace
  const endGently = (): void => store.transaction(() => endLease(store, lease));
  try {
    if (death !== "assumed") discard();
    syncPoint("adopt.discarded");
    await ingest(store, lease, units, { dataset: run.dataset ?? DEFAULT_DATASET }, (admitted) => {
      requireLease(store, lease);
      for (const unit of admitted) recordArtifact(store, run, unit, { role: "log", type: "log" });
      close(undefined);
    });
    syncPoint("adopt.committed");
    if (death === "assumed") endGently();
    else closeLease(store, lease);
  } catch (error) {
    if (isFull(error)) {
      // its log stays where it is until there is room: whoever comes then adopts the run. What was copied of it would only take more
      discard();
      throw error;
    }
    // otherwise the run must not stay open for its log: gc takes that with the staging, after the grace
    store.transaction(() => {
      // somebody else took it over, and closes it
      if (!holdsLease(store, lease)) return;
      close(reason(error));
      endLease(store, lease);
    });
  }
  if (left && workspace !== undefined) removeLeftEnd(workspace);
  return runs.bySeq(store.db, seq) as RunRow;
}

function killed(run: RunRow, heard: number): End {
  return {
    state: "killed",
    exit_code: null,
    signal: null,
    ended_at: Math.max(run.started_at, heard),
    cpu_user_ms: null,
    cpu_system_ms: null,
    max_rss: null,
  };
}

/** Makes the dead wrapper's lease ours, so that two commands do not adopt one run. */
function claim(store: Store, run: number, vouched: boolean): Lease | undefined {
  return store.transaction(() => {
    if (runs.bySeq(store.db, run)?.state !== "running") return undefined;
    const lease = leases.ofRun(store.db, run);
    if (!lease) {
      const token = Bun.randomUUIDv7();
      return {
        seq: leases.insert(store.db, { token, kind: "run", run, wrapper: JSON.stringify(self()), taken_at: store.now(), until: null }),
        token,
      };
    }
    if (!vouched && leaseState(lease, store.now()) !== "dead") return undefined;
    leases.take(store.db, lease.seq, JSON.stringify(self()));
    return { seq: lease.seq, token: lease.token };
  });
}

function leftLogs(store: Store, lease: Lease): IngestUnit[] {
  const directory = store.path("tmp", lease.token);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => /^(?:output|stdout|stderr)\.log$/.test(name) && lstatSync(join(directory, name)).size > 0)
    .map((name) => ({ path: name, source: join(directory, name), kind: "file", type: "log", class: null, typed: false, move: false }));
}

/** The last that was heard of a dead run: what its child printed last. */
function lastSign(logs: readonly IngestUnit[]): number {
  return Math.max(0, ...logs.map((unit) => Math.floor(lstatSync(unit.source).mtimeMs)));
}
