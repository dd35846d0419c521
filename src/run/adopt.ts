import { existsSync, lstatSync, readFileSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import * as blobs from "../db/blobs.ts";
import * as events from "../db/events.ts";
import * as leases from "../db/leases.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { CofferError, reason } from "../domain/error.ts";
import { self } from "../domain/process-identity.ts";
import { enqueueRun } from "../registry/enqueue.ts";
import { manifestIsDue, recordArtifact } from "../registry/record.ts";
import { ingest } from "../store/ingest.ts";
import { clearStaging, endLease, freeDeadLeases, leaseState } from "../store/lease.ts";
import type { Lease } from "../store/lease.ts";
import type { IngestUnit } from "../store/ingest-unit.ts";
import type { Store } from "../store/store.ts";
import { walk } from "../store/walk.ts";
import { END_FILE } from "./begin.ts";
import { withdraw } from "./finish.ts";
import type { End } from "./finish.ts";

/**
 * What every command does on its way in: closes runs whose wrapper and child are both gone, frees what dead processes staged, and ends the
 * removal of a workspace that a crash interrupted. Costs one look at a table that is empty most of the time.
 */
export async function adoptDeadRuns(store: Store): Promise<RunRow[]> {
  const adopted: RunRow[] = [];
  for (const lease of leases.all(store.db)) {
    if (lease.kind !== "run" || lease.run === null || leaseState(lease, store.now()) !== "dead") continue;
    const run = await adopt(store, lease.run, false);
    if (run) adopted.push(run);
  }
  freeDeadLeases(store);
  for (const run of runs.removing(store.db)) if (!leases.ofRun(store.db, run.seq)) finishRemoval(store, run);
  return adopted;
}

/**
 * Closes a run that somebody knows to be dead, although its lease cannot tell (another machine, another container).
 * @throws CofferError PROTECTED where it is alive, or may be and nobody vouched for its death
 */
export async function closeRun(store: Store, run: RunRow, assumeDead: boolean): Promise<RunRow> {
  if (run.state !== "running") throw new CofferError("PROTECTED", `run ${run.id} has ended (${run.state})`, { hint: "there is nothing to close" });
  const lease = leases.ofRun(store.db, run.seq);
  const state = lease ? leaseState(lease, store.now()) : "dead";
  const age = lease ? Math.round((store.now() - lease.taken_at) / 60_000) : 0;
  if (state === "alive") throw new CofferError("PROTECTED", `run ${run.id} is alive: its process still runs here`, { hint: "end it with a signal" });
  if (state === "unknown" && !assumeDead)
    throw new CofferError("PROTECTED", `whether run ${run.id} is alive cannot be seen from here (it began ${age} minutes ago on another machine or in another container)`, { hint: "if you know that it is dead: coffer runs close RUN --assume-dead" });
  return (await adopt(store, run.seq, true)) ?? (runs.bySeq(store.db, run.seq) as RunRow);
}

const LeftEnd = v.object({
  state: v.picklist(["finished", "failed", "killed"]),
  exit_code: v.nullable(v.number()),
  signal: v.nullable(v.string()),
  ended_at: v.number(),
  cpu_user_ms: v.nullable(v.number()),
  cpu_system_ms: v.nullable(v.number()),
  max_rss: v.nullable(v.number()),
  failure: v.string(),
});

async function adopt(store: Store, seq: number, vouched: boolean): Promise<RunRow | undefined> {
  const lease = claim(store, seq, vouched);
  if (!lease) return undefined;
  const run = runs.bySeq(store.db, seq) as RunRow;
  const left = run.workspace === null ? undefined : leftEnd(store.path(run.workspace));
  const end: End = left ?? { state: "killed", exit_code: null, signal: null, ended_at: Math.max(run.started_at, lastSign(store, lease)), cpu_user_ms: null, cpu_system_ms: null, max_rss: null };
  const units = leftLogs(store, lease);
  const close = (problem: string | undefined): void => {
    runs.update(store.db, seq, { ...end, adopted: 1 });
    const note = (kind: string, message: string) => events.record(store.db, { at: store.now(), run: seq, kind, message });
    note("adopted", left ? `its end could not be written when it came: ${left.failure}` : "its wrapper had died; its workspace stays");
    if (left) note("not-stored", `the outputs could not be stored: ${left.failure}`);
    if (problem !== undefined) note("not-stored", `its log could not be stored: ${problem}`);
    const current = runs.bySeq(store.db, seq) as RunRow;
    if (end.state === "failed") withdraw(store, current, end);
    enqueueRun(store, current);
    manifestIsDue(store, seq);
    endLease(store, lease);
  };
  try {
    await ingest(store, lease, units, { dataset: run.dataset ?? "default" }, (admitted) => {
      for (const unit of admitted) recordArtifact(store, run, unit, { role: "log", type: "log" });
      close(undefined);
    });
    clearStaging(store, lease);
  } catch (error) {
    // the log stays in staging where it is; the run must not stay open for it
    store.transaction(() => close(reason(error)));
  }
  return runs.bySeq(store.db, seq) as RunRow;
}

/** Makes the dead wrapper's lease ours, so that two commands do not adopt one run. */
function claim(store: Store, run: number, vouched: boolean): Lease | undefined {
  return store.transaction(() => {
    if (runs.bySeq(store.db, run)?.state !== "running") return undefined;
    const lease = leases.ofRun(store.db, run);
    if (!lease) return { seq: leases.insert(store.db, { token: Bun.randomUUIDv7(), kind: "run", run, wrapper: JSON.stringify(self()), taken_at: store.now(), until: null }), token: "" };
    if (!vouched && leaseState(lease, store.now()) !== "dead") return undefined;
    leases.take(store.db, lease.seq, JSON.stringify(self()));
    return { seq: lease.seq, token: lease.token };
  });
}

function leftEnd(workspace: string): v.InferOutput<typeof LeftEnd> | undefined {
  try {
    return v.parse(LeftEnd, JSON.parse(readFileSync(join(workspace, END_FILE), "utf8")));
  } catch {
    return undefined;
  }
}

function leftLogs(store: Store, lease: Lease): IngestUnit[] {
  if (lease.token === "") return [];
  const directory = store.path("tmp", lease.token);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => /^(?:output|stdout|stderr)\.log$/.test(name) && lstatSync(join(directory, name)).size > 0)
    .map((name) => ({ path: name, source: join(directory, name), kind: "file", type: "log", class: null, typed: false, move: false }));
}

/** The last that was heard of a dead run: what its child printed last. */
function lastSign(store: Store, lease: Lease): number {
  return Math.max(0, ...leftLogs(store, lease).map((unit) => Math.floor(lstatSync(unit.source).mtimeMs)));
}

/**
 * A crash came between the commit of a scratch run and the end of its workspace. Names in the workspace that are the very inodes of stored blobs are
 * removed, since whoever wrote through them would write into the store; all else stays.
 */
function finishRemoval(store: Store, run: RunRow): void {
  const workspace = store.path(run.workspace as string);
  if (existsSync(workspace)) {
    const inodes = new Map(blobs.filesOfRun(store.db, run.seq).map((row) => [row.inode, row]));
    for (const path of walk(workspace, () => false).files) {
      const stat = lstatSync(join(workspace, path), { bigint: true });
      const row = inodes.get(stat.ino);
      const blobStat = row && lstatSync(store.path(row.path as string), { bigint: true, throwIfNoEntry: false });
      if (blobStat && blobStat.ino === stat.ino && blobStat.dev === stat.dev) unlinkSync(join(workspace, path));
    }
  }
  store.transaction(() => {
    runs.update(store.db, run.seq, { workspace_state: existsSync(workspace) ? "present" : "removed" });
    events.record(store.db, { at: store.now(), run: run.seq, kind: "kept", message: "the removal of the workspace was interrupted; what is left of it stays" });
  });
}
