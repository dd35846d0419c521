import { accessSync, closeSync, constants, existsSync, lstatSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { openRegular } from "../blobs/copy.ts";
import { isOpenForWriting } from "../blobs/open-for-writing.ts";
import { CofferError, errno, reason } from "../domain/error.ts";
import { DEFAULT_DATASET } from "../domain/names.ts";
import type { RunState } from "../domain/run-state.ts";
import { syncPoint } from "../domain/sync-point.ts";
import type { AheadFiles } from "../store/ingest/ahead-files.ts";
import { ingest, settleMoved } from "../store/ingest/ingest.ts";
import type { Moved } from "../store/ingest/admitted.ts";
import { clearStaging, closeLease } from "../store/lease.ts";
import type { IngestUnit } from "../store/ingest/ingest-unit.ts";
import type { Store } from "../store/store.ts";
import type { Begun } from "./begin.ts";
import { capturedUnits } from "./code/captured-units.ts";
import { changedInputs } from "./outputs/changed-inputs.ts";
import type { ChildEnd } from "./child/child.ts";
import type { CodeState } from "./code/code-state.ts";
import { discardStaged } from "./outputs/discard-staged.ts";
import { filesToGo } from "./workspace/empty-workspace.ts";
import type { Snapshot } from "./workspace/empty-workspace.ts";
import { findOpenWriters } from "./outputs/open-writers.ts";
import type { OutputEnd } from "./terminal/output-log.ts";
import type { Outputs } from "./outputs/outputs.ts";
import { readReadings } from "./outputs/readings.ts";
import { findOutputs } from "./outputs/record-outputs.ts";
import type { FoundOutputs } from "./outputs/record-outputs.ts";
import { requireOpen } from "./require-open.ts";
import type { RunRequest } from "./run.ts";
import { settle } from "./settle.ts";
import type { Findings, Settled } from "./settle.ts";

/** How a run ended, as it is recorded. */
export interface End {
  state: Exclude<RunState, "running">;
  exit_code: number | null;
  signal: string | null;
  ended_at: number;
  cpu_user_ms: number | null;
  cpu_system_ms: number | null;
  max_rss: number | null;
}

/** What is known when the child has ended. */
export interface Ended {
  childPid: number;
  output: OutputEnd;
  code: CodeState | undefined;
  /** Of a scratch workspace that is to go. */
  snapshot: Snapshot | undefined;
  /** What was read while it went on. */
  ahead?: AheadFiles | undefined;
}

export interface Kept extends Settled {
  outputs: Outputs;
  /** Files of a scratch workspace whose inodes are blobs now: `clearScratch` ends that. */
  moved: Moved[];
  added: { blobs: number; bytes: number };
}

/** A signal that somebody sends to stop a job. A crash by any other one is a failure. */
const STOPPING = new Set(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGXCPU"]);
const ATTEMPTS = 3;

/** Which end it is. `asked`: a signal that reached the wrapper; a child that then leaves with an error was stopped, one that leaves with 0 was done. */
export function endOf(child: ChildEnd, asked: NodeJS.Signals | undefined): End {
  const stopped = (child.signal !== null && STOPPING.has(child.signal)) || (asked !== undefined && child.code !== 0);
  return {
    state: child.code === 0 ? "finished" : stopped ? "killed" : "failed",
    exit_code: child.exitCode,
    signal: child.signal ?? (stopped ? (asked ?? null) : null),
    ended_at: child.endedAt,
    cpu_user_ms: Math.round(child.cpuUserMs),
    cpu_system_ms: Math.round(child.cpuSystemMs),
    max_rss: child.maxRssBytes,
  };
}

/**
 * Stores what a run left, and its end, in one transaction: outputs, output log, captured code, readings, edges, withdrawals, outbox.
 * A single file that cannot be read is told and left out.
 * @throws what keeps it from being stored; then nothing of it is, and the workspace is as the child left it
 */
export async function keepOutputs(store: Store, begun: Begun, request: RunRequest, end: End, ended: Ended): Promise<Kept> {
  // SQLite would go on writing to a file that has no name any more
  if (!existsSync(store.path("coffer.db")))
    throw new CofferError("STORE_UNUSABLE", `the store at ${store.root} was removed while the command ran`, {
      hint: "put it back from a backup; the next command begins a new one",
    });
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptToKeep(store, begun, request, end, ended, attempt === ATTEMPTS);
    } catch (error) {
      // what a process that outlives the command removes or rewrites meanwhile is looked at anew
      if (attempt === ATTEMPTS || !isUnreadable(error)) throw error;
      discardStaged(store, begun.lease, [
        ...ended.output.logs.map((log) => log.path),
        ...(ended.code?.capture ? [ended.code.capture.path] : []),
      ]);
    }
  }
}

async function attemptToKeep(store: Store, begun: Begun, request: RunRequest, end: End, ended: Ended, isLast: boolean): Promise<Kept> {
  const { run, lease, workspace } = begun;
  const { snapshot } = ended;
  requireOpen(store, begun);
  const found = await findOutputs(store, workspace, request, snapshot !== undefined);
  leaveOutUnreadable(found);
  syncPoint("run.outputs-found");
  // a small file that never settles cannot go into a pack, whose members have a size beforehand
  if (isLast) for (const unit of found.units) unit.typed ||= unit.kind === "file";
  const readings = readReadings({ workspace, paramFiles: request.paramFiles, metricFiles: request.metricFiles });
  const { captured, notes } = capturedUnits(new Set(found.units.map((unit) => unit.path)), ended.output, ended.code);
  const units = [...found.units, ...captured.map(({ unit }) => unit)];
  const changed = await changedInputs(store, run);
  const workspaceState = !existsSync(workspace) ? "removed" : snapshot ? "removing" : "present";
  const options = {
    dataset: run.dataset ?? DEFAULT_DATASET,
    ignored: (unit: IngestUnit, path: string) => found.outputs.ignoredWithin(unit, path),
    ...(ended.ahead && { ahead: ended.ahead }),
    ...(snapshot && {
      openElsewhere: staysInPlace(
        store,
        snapshot,
        captured.map(({ unit }) => unit.source),
        run.id,
        ended.childPid,
      ),
    }),
  };
  const { result, moved, added } = await ingest(store, lease, units, options, (admitted, unread) => {
    const findings: Findings = {
      outputs: found,
      captured,
      admitted,
      unread,
      readings,
      code: ended.code,
      changed,
      workspaceState,
      notes: [...readings.skipped, ...ended.output.notes, ...found.notes, ...notes],
    };
    requireOpen(store, begun);
    return settle(store, run.seq, request, end, findings);
  });
  syncPoint("run.committed");
  const isFromWorkspace = ({ source }: Moved): boolean => source.startsWith(`${workspace}/`);
  const left = tidy(
    store,
    begun,
    moved.filter((file) => !isFromWorkspace(file)),
  );
  // a scratch run holds it until its workspace is cleared
  if (!snapshot) closeLease(store, lease);
  return { ...result, notes: [...result.notes, ...left], outputs: found.outputs, moved: moved.filter(isFromWorkspace), added };
}

/** All is committed: what goes wrong now costs nothing but room. */
function tidy(store: Store, { lease }: Begun, moved: readonly Moved[]): string[] {
  try {
    clearStaging(store, lease);
    syncPoint("run.tidied");
    // these lost their other name with the staging directory
    settleMoved(store, moved);
    return [];
  } catch (error) {
    return [`staging could not be cleared: ${reason(error)}`];
  }
}

/**
 * Whether a file's inode must stay what it is: the workspace keeps it, it changed since the snapshot, or somebody still has it open for writing. Where the kernel cannot
 * be asked that, processes that are left of the run are looked for when the first file could be moved.
 */
function staysInPlace(
  store: Store,
  snapshot: Snapshot,
  captured: readonly string[],
  runId: string,
  childPid: number,
): (stat: BigIntStats, fd: number) => boolean {
  const goes = filesToGo(snapshot, store.settings.values.workspace.retain);
  const own = new Set(captured.map((path) => lstatSync(path, { bigint: true }).ino));
  let isOpen: ReturnType<typeof findOpenWriters> | undefined;
  return (stat, fd) => !own.has(stat.ino) && (!goes(stat) || (isOpenForWriting(fd) ?? (isOpen ??= findOpenWriters(runId, childPid))(stat)));
}

function leaveOutUnreadable(found: FoundOutputs): void {
  found.units = found.units.filter((unit) => {
    const why = unreadable(unit);
    if (why !== undefined) found.problems.push({ path: unit.path, why, failed: true });
    return why === undefined;
  });
}

function unreadable({ kind, source }: IngestUnit): string | undefined {
  try {
    if (kind === "tree") accessSync(source, constants.R_OK | constants.X_OK);
    else closeSync(openRegular(source).fd);
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof CofferError ? error.code === "UNREADABLE" : ["ENOENT", "ENOTDIR", "EACCES"].includes(errno(error) ?? "");
}
