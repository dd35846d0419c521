import { existsSync, writeFileSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as events from "../db/events.ts";
import * as journal from "../db/journal.ts";
import * as metrics from "../db/metrics.ts";
import * as params from "../db/params.ts";
import * as inputs from "../db/run-inputs.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import type { RunState } from "../domain/run-state.ts";
import { reason } from "../domain/error.ts";
import { enqueueRun } from "../registry/enqueue.ts";
import { manifestIsDue, recordArtifact } from "../registry/record.ts";
import { ingest, settleMoved } from "../store/ingest.ts";
import type { Admitted, Moved } from "../store/ingest.ts";
import { clearStaging, endLease } from "../store/lease.ts";
import type { IngestUnit } from "../store/ingest-unit.ts";
import type { Store } from "../store/store.ts";
import type { Problem } from "../store/walk.ts";
import { END_FILE } from "./begin.ts";
import type { Begun } from "./begin.ts";
import type { ChildEnd } from "./child.ts";
import type { CodeState } from "./code-state.ts";
import { findOpenWriters } from "./open-writers.ts";
import type { OutputEnd } from "./output-log.ts";
import type { Outputs } from "./outputs.ts";
import { readReadings } from "./readings.ts";
import { findOutputs, recordOutputs } from "./record-outputs.ts";
import type { FoundOutputs } from "./record-outputs.ts";
import type { RunRequest } from "./run.ts";

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

export interface Kept {
  run: RunRow;
  outputs: Outputs;
  artifacts: ArtifactRow[];
  withdrawn: ArtifactRow[];
  moved: Moved[];
  added: { blobs: number; bytes: number };
  /** Things that should have been stored could not be. */
  incomplete: boolean;
  /** For the person: what was skipped, renamed, withdrawn. */
  notes: string[];
}

/** A signal that somebody sends to stop a job. A crash by any other one is a failure. */
const STOPPING = new Set(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGXCPU"]);

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
 * @throws what keeps it from being stored; then nothing of it is, and the workspace is as the child left it
 */
export async function keepOutputs(store: Store, begun: Begun, request: RunRequest, end: End, ended: { childPid: number; output: OutputEnd; code: CodeState | undefined }): Promise<Kept> {
  const { run, lease, workspace } = begun;
  const rules = store.settings.values.workspace;
  const mayMove = rules.policy === "scratch" && end.state === "finished";
  const found = await findOutputs(store, workspace, request, mayMove);
  const { outputs } = found;
  const readings = readReadings({ workspace, paramFiles: request.paramFiles, metricFiles: request.metricFiles });
  const notes = [...readings.skipped, ...ended.output.notes, ...found.notes];
  const captured = capturedUnits(outputs, ended, notes);
  const units = [...found.units, ...captured.map(({ unit }) => unit)];
  const options = {
    dataset: run.dataset ?? "default",
    ignored: (unit: IngestUnit, path: string) => outputs.ignoredWithin(unit, path),
    ...(mayMove && { openElsewhere: openWriters(run.id, ended.childPid) }),
  };
  const { result, moved, added } = await ingest(store, lease, units, options, (admitted, unread) => {
    const settled = settle(store, begun, request, end, { outputs: found, admitted, problems: [...found.problems, ...unread], readings, captured, notes, code: ended.code });
    endLease(store, lease);
    return settled;
  });
  clearStaging(store, lease);
  // what came from staging lost its other name with it; the names in a scratch workspace go later
  settleMoved(store, moved.filter((file) => !file.source.startsWith(workspace)));
  return { ...result, outputs, moved: moved.filter((file) => file.source.startsWith(workspace)), added, notes };
}

/** The processes are looked through when the first file could be moved. */
function openWriters(runId: string, childPid: number): (stat: BigIntStats) => boolean {
  let isOpen: ReturnType<typeof findOpenWriters> | undefined;
  return (stat) => (isOpen ??= findOpenWriters(runId, childPid))(stat);
}

interface Captured {
  unit: IngestUnit;
  role: "log" | "code";
}

function settle(
  store: Store,
  { run, workspace }: Begun,
  request: RunRequest,
  end: End,
  found: { outputs: FoundOutputs; admitted: Admitted[]; problems: Problem[]; readings: ReturnType<typeof readReadings>; captured: readonly Captured[]; notes: string[]; code: CodeState | undefined },
): Pick<Kept, "run" | "artifacts" | "withdrawn" | "incomplete"> {
  const { seq } = run;
  const now = store.now();
  const note = (kind: string, message: string, artifact?: number) => events.record(store.db, { at: now, run: seq, artifact: artifact ?? null, kind, message });
  runs.update(store.db, seq, { ...end, ...codeColumns(found.code), ...(existsSync(workspace) ? {} : { workspace_state: "removed" as const }) });
  const current = runs.bySeq(store.db, seq) as RunRow;
  params.set(store.db, seq, [...found.readings.params].filter(([key]) => !request.params.some(([given]) => given === key)));
  metrics.insert(store.db, seq, found.readings.metrics);

  const readBefore = inputs.ofRun(store.db, seq).flatMap((input) => (input.artifact === null ? [] : [artifacts.bySeq(store.db, input.artifact) as ArtifactRow]));
  const roles = new Map(found.captured.map(({ unit, role }) => [unit, role]));
  const own = found.admitted.filter(({ unit }) => !roles.has(unit));
  const { recorded, problems: unregistered } = recordOutputs(store, current, own, found.outputs, request, readBefore);
  found.problems.push(...unregistered);
  const kept = [...recorded, ...found.admitted.flatMap((admitted) => {
    const role = roles.get(admitted.unit);
    return role === undefined ? [] : [recordArtifact(store, current, admitted, { role, type: role === "log" ? "log" : undefined })];
  })];
  for (const message of found.notes) note("note", message);
  for (const problem of found.problems) note(problem.failed ? "not-stored" : "skipped", `${problem.path}: ${problem.why}`);
  for (const problem of found.problems) found.notes.push(`left out ${problem.path}: ${problem.why}`);
  const withdrawn = end.state === "finished" || request.keepFailed ? [] : withdraw(store, current, end);
  for (const artifact of withdrawn) note("withdrawn", `${artifact.name === null ? artifact.path : `${artifact.name}@v${artifact.version}`}: the run ${end.state}`, artifact.seq);
  enqueueRun(store, current, { ...(request.skipArtifacts && { skipArtifacts: true }) });
  manifestIsDue(store, seq);
  return { run: runs.bySeq(store.db, seq) as RunRow, artifacts: kept, withdrawn, incomplete: found.problems.some((problem) => problem.failed) };
}

/**
 * What a failed run registered is out of sight as a whole; its log and the code it ran stay. What it logged itself before it was stopped by a
 * signal stays too: the checkpoints of a preempted job are no failure.
 */
export function withdraw(store: Store, run: RunRow, end: Pick<End, "state">): ArtifactRow[] {
  const roles = end.state === "killed" ? ["output"] : ["output", "logged"];
  const going = artifacts.ofRun(store.db, run.seq).filter((artifact) => roles.includes(artifact.role));
  for (const artifact of going) {
    artifacts.setState(store.db, artifact.seq, "withdrawn", store.now());
    journal.append(store.db, { at: store.now(), did: "withdraw", artifact: artifact.uid });
  }
  return going;
}

/** The end of a run whose outputs could not be stored. Where not even that can be written, it is left beside them for whoever adopts the run. */
export function recordEndOnly(store: Store, { run, lease, workspace }: Begun, end: End, failure: unknown): void {
  try {
    store.transaction(() => {
      runs.update(store.db, run.seq, { ...end });
      events.record(store.db, { at: store.now(), run: run.seq, kind: "not-stored", message: `the outputs could not be stored: ${reason(failure)}` });
      enqueueRun(store, runs.bySeq(store.db, run.seq) as RunRow);
      manifestIsDue(store, run.seq);
      endLease(store, lease);
    });
    clearStaging(store, lease);
  } catch {
    try {
      writeFileSync(join(workspace, END_FILE), JSON.stringify({ ...end, failure: reason(failure) }));
    } catch {
      // the disk takes nothing any more; the person was told, and the run will be adopted as killed
    }
  }
}

function capturedUnits(outputs: Outputs, { output, code }: { output: OutputEnd; code: CodeState | undefined }, notes: string[]): Captured[] {
  const taken = new Set(outputs.units.map((unit) => unit.path));
  const captured: Captured[] = [];
  const add = (role: Captured["role"], name: string, source: string, move: boolean): void => {
    const path = taken.has(name) ? `coffer-${name}` : name;
    if (path !== name) notes.push(`the workspace has a ${name} of its own: what coffer captured is ${path}`);
    captured.push({ role, unit: { path, source, kind: "file", type: role, class: null, typed: false, move } });
  };
  // a keeper that a straggler still writes to may append: its file must not become the blob
  for (const log of output.logs) if (log.bytes > 0) add("log", log.name, log.path, !log.isOpen);
  if (code?.capture) add("code", "code.tar", code.capture.path, true);
  for (const skipped of code?.skipped ?? []) notes.push(`not captured with the code: ${skipped.path}: ${skipped.why}`);
  return captured;
}

function codeColumns(code: CodeState | undefined): Partial<RunRow> {
  if (!code) return {};
  return { code_commit: code.commit, code_branch: code.branch, code_remote: code.remote, code_dirty: code.dirty === null ? null : code.dirty ? 1 : 0 };
}
