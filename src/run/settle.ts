import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as edges from "../db/records/edges.ts";
import * as events from "../db/records/events.ts";
import * as metrics from "../db/records/metrics.ts";
import * as params from "../db/records/params.ts";
import * as inputs from "../db/records/run-inputs.ts";
import type { RunInputRow } from "../db/records/run-inputs.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { knownSecrets, redactPairs } from "../domain/redact.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { enqueueRun } from "../registry/enqueue.ts";
import { readBefore } from "../registry/read-before.ts";
import { manifestIsDue, recordArtifact } from "../registry/record.ts";
import { shownName } from "../registry/shown-name.ts";
import type { Admitted } from "../store/ingest/admitted.ts";
import type { Store } from "../store/store.ts";
import type { Problem } from "../store/ingest/walk.ts";
import type { Captured } from "./code/captured-units.ts";
import type { CodeState } from "./code/code-state.ts";
import type { End } from "./finish.ts";
import type { Readings } from "./outputs/readings.ts";
import { recordOutputs } from "./outputs/record-outputs.ts";
import type { FoundOutputs } from "./outputs/record-outputs.ts";
import type { RunRequest } from "./run.ts";
import { withdraw } from "./withdraw.ts";

export interface Settled {
  run: RunRow;
  artifacts: ArtifactRow[];
  withdrawn: ArtifactRow[];
  /** Things that should have been stored could not be. */
  incomplete: boolean;
  /** For the person: what was skipped, renamed, left out. */
  notes: string[];
}

export interface Findings {
  outputs: FoundOutputs;
  captured: readonly Captured[];
  admitted: readonly Admitted[];
  /** What the ingest could not read. */
  unread: readonly Problem[];
  readings: Readings;
  code: CodeState | undefined;
  changed: readonly RunInputRow[];
  workspaceState: NonNullable<RunRow["workspace_state"]>;
  notes: readonly string[];
}

/** Writes all that is known of a run that has ended. Inside the transaction that admitted its bytes. */
export function settle(store: Store, seq: number, request: RunRequest, end: End, found: Findings): Settled {
  runs.update(store.db, seq, { ...end, ...codeColumns(found.code), workspace_state: found.workspaceState });
  const run = runs.bySeq(store.db, seq) as RunRow;
  params.set(
    store.db,
    seq,
    redactPairs(
      [...found.readings.params].filter(([key]) => !request.params.some(([given]) => given === key)),
      knownSecrets(request.env),
    ),
  );
  metrics.insert(store.db, seq, found.readings.metrics);
  for (const { position } of found.changed) inputs.markChanged(store.db, seq, position);

  const roles = new Map(found.captured.map(({ unit, role }) => [unit, role]));
  const own = found.admitted.filter(({ unit }) => !roles.has(unit));
  const { recorded, problems: unregistered } = recordOutputs(store, run, own, found.outputs, request.register, readBefore(store, seq));
  syncPoint("run.outputs-registered");
  for (const admitted of found.admitted) {
    const role = roles.get(admitted.unit);
    if (role !== undefined) recorded.push(recordArtifact(store, run, admitted, { role, type: role === "log" ? "log" : "file" }));
  }
  // also on what was logged while the command ran
  edges.markChanged(store.db, seq);

  const note = (kind: string, message: string, artifact: number | null = null) =>
    events.record(store.db, { at: store.now(), run: seq, artifact, kind, message });
  const problems = [...found.outputs.problems, ...found.unread, ...unregistered];
  const notes = [...found.notes, ...found.changed.map(({ path }) => `the input ${path} changed while the command ran`)];
  for (const message of notes) note("note", message);
  for (const problem of problems) note(problem.failed ? "not-stored" : "skipped", `${problem.path}: ${problem.why}`);
  const withdrawn = end.state === "finished" || request.keepFailed ? [] : withdraw(store, run, end.state);
  for (const artifact of withdrawn) note("withdrawn", `${shownName(artifact)}: the run ${end.state}`, artifact.seq);
  enqueueRun(store, run, { ...(request.skipArtifacts && { skipArtifacts: true }) });
  manifestIsDue(store, seq);
  return {
    run: runs.bySeq(store.db, seq) as RunRow,
    artifacts: recorded,
    withdrawn,
    incomplete: problems.some((problem) => problem.failed),
    notes: [...notes, ...problems.map((problem) => `left out ${problem.path}: ${problem.why}`)],
  };
}

/** What a run's row keeps of the code's state. */
export function codeColumns(code: CodeState | undefined): Partial<RunRow> {
  if (!code) return {};
  return {
    code_commit: code.commit,
    code_branch: code.branch,
    code_remote: code.remote,
    code_dirty: code.dirty === null ? null : code.dirty ? 1 : 0,
  };
}
