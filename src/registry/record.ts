import * as aliases from "../db/records/aliases.ts";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRole, ArtifactRow } from "../db/records/artifacts.ts";
import * as events from "../db/records/events.ts";
import * as journal from "../db/records/journal.ts";
import * as pins from "../db/records/pins.ts";
import * as runs from "../db/records/runs.ts";
import * as stagedOutputs from "../db/delivery/staged-outputs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as tags from "../db/records/tags.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import { guessArtifactType } from "../domain/artifact-type.ts";
import { CofferError } from "../domain/error.ts";
import { redactPairs } from "../domain/redact.ts";
import { formatExecutionPath } from "../domain/execution-path.ts";
import type { ExecutionPath } from "../domain/execution-path.ts";
import type { Admitted } from "../store/ingest/admitted.ts";
import type { Store } from "../store/store.ts";
import { checkBranches, featureColumns } from "./meta-model.ts";
import { addDependencies, checkOrigins, recordOrigins } from "./record-edges.ts";
import type { Origins } from "./record-edges.ts";

/** What is said of an artifact, beyond its bytes. */
export interface Particulars extends Origins {
  role: ArtifactRole;
  /** false: it stays here, MLflow is not told of it. */
  deliver?: boolean | undefined;
  /** Gives it versions of a name; without one it belongs to its run. */
  name?: string | undefined;
  /** Guessed from the file name where nobody says. */
  type?: ArtifactType | undefined;
  class?: string | undefined;
  dataset?: string | undefined;
  step?: ExecutionPath | undefined;
  description?: string | undefined;
  format?: string | undefined;
  formatVersion?: string | undefined;
  params?: Record<string, unknown>;
  metrics?: Record<string, unknown>;
  /** Keys of a foreign manifest that are not ours. */
  extra?: Record<string, unknown>;
  tags?: readonly (readonly [string, string])[];
  /** Of a meta-model: one for each source; called after the sources' classes unless said. */
  featureColumns?: readonly string[] | undefined;
}

/**
 * Writes an artifact's row, version, tags and edges. Inside the transaction that admitted its bytes.
 *
 * The same path again in one run: the same bytes are the same artifact; a name or a step makes a new version, and so does a workspace that changed
 * after its file was logged; otherwise it is refused. Only the newest of a path goes to MLflow, where a path is one file.
 * @throws CofferError COLLISION, DEPENDENCY_CYCLE, DEPENDENCY_TOO_DEEP, BRANCH_MISMATCH, FEATURES_MISMATCH
 */
export function recordArtifact(store: Store, run: RunRow, admitted: Admitted, said: Particulars): ArtifactRow {
  const { unit, blob, hex } = admitted;
  const step = said.step ?? stepOf(run);
  const stepId = said.step ? formatExecutionPath(said.step) : undefined;
  const id = stepId ?? `${run.id}/${unit.path}`;
  const name = said.name ?? stepId ?? null;
  const sources = said.sources ?? [];
  const before = artifacts.atPath(store.db, run.seq, unit.path);
  if (before && name === null) {
    if (before.blob === blob && before.kind === admitted.kind && sources.length === 0) {
      addDependencies(store, before, said.dependsOn ?? []);
      if (before.deliver === 1 || said.role !== "logged" || said.deliver === false) return before;
      artifacts.allowDelivery(store.db, before.seq);
      return artifacts.bySeq(store.db, before.seq) as ArtifactRow;
    }
    // what a workspace holds in the end is no mistake of a caller: it is the next version of its id
    if (said.role === "logged")
      throw new CofferError("COLLISION", `this run already has another “${unit.path}”`, {
        hint: "keep it under another path with --as PATH, or as a version of a name with --name NAME",
      });
  }
  const branch = step?.branch ?? (JSON.parse(run.branch) as number[]);
  checkBranches(branch, sources);
  const columns = sources.length > 0 ? JSON.stringify(featureColumns(sources, said.featureColumns)) : null;
  checkOrigins(store, id, said);

  const now = store.now();
  const isStaged = said.role === "output" && stagedOutputs.covers(store.db, run.seq, unit.path);
  // what captured code holds may be nothing that anyone meant to publish
  const deliver = said.deliver !== false && said.role !== "code" && !isStaged;
  const { seq, version } = artifacts.insert(store.db, {
    uid: Bun.randomUUIDv7(),
    id,
    run: run.seq,
    name,
    role: said.role,
    deliver: deliver ? 1 : 0,
    kind: admitted.kind,
    blob,
    digest: `blake3:${hex}`,
    size: admitted.size,
    files: admitted.files,
    mode: admitted.mode,
    path: unit.path,
    type: said.type ?? guessArtifactType(unit.path),
    class: said.class ?? null,
    dataset: said.dataset ?? run.dataset,
    pipeline: step?.pipeline ?? run.pipeline,
    branch: JSON.stringify(branch),
    step: step?.step ?? null,
    sub_step: step?.subStep ?? null,
    fold: step ? step.fold : run.fold,
    format: said.format ?? null,
    format_version: said.formatVersion ?? null,
    description: said.description ?? null,
    params: JSON.stringify(said.params ?? {}),
    metrics: JSON.stringify(said.metrics ?? {}),
    feature_columns: columns,
    code_commit: run.code_commit,
    created_at: now,
    extra: JSON.stringify(said.extra ?? {}),
  });
  // what a stage sends from this path is what MLflow shall have
  if (before && !isStaged) artifacts.keepFromDelivery(store.db, before.seq);
  tags.set(store.db, "artifact", seq, redactPairs(said.tags ?? []));
  recordOrigins(store, { seq, id, run: run.seq }, said);
  if (isStaged)
    events.record(store.db, {
      at: now,
      run: run.seq,
      artifact: seq,
      kind: "skipped",
      message: `${unit.path}: as an output it is not sent: a stage logged it, and decides`,
    });
  if (admitted.unsettled)
    events.record(store.db, {
      at: store.now(),
      run: run.seq,
      artifact: seq,
      kind: "unsettled",
      message: `${unit.path} was still changing while it was read`,
    });
  if (!store.settings.values.artifact_store.versioning_enabled && name !== null) replaceOlder(store, name, version, now);
  return artifacts.bySeq(store.db, seq) as ArtifactRow;
}

/** A run whose records changed is written down again, for `rebuild`. */
export function manifestIsDue(store: Store, run: number): void {
  runs.update(store.db, run, { manifest: "due" });
}

function stepOf(run: RunRow): ExecutionPath | undefined {
  if (run.pipeline === null || run.step === null) return undefined;
  return { pipeline: run.pipeline, branch: JSON.parse(run.branch) as number[], step: run.step, subStep: run.sub_step, fold: run.fold };
}

/** But for those that somebody protected. They go out of sight at the moment that the new one was made: that tells what comes back if its run fails. */
function replaceOlder(store: Store, name: string, version: number, now: number): void {
  for (const old of artifacts.list(store.db, { name })) {
    if (old.version >= version || pins.of(store.db, old.seq) || aliases.ofArtifact(store.db, old.seq).length > 0) continue;
    artifacts.setState(store.db, old.seq, "removed", now);
    journal.append(store.db, { at: now, did: "remove", artifact: old.uid, because: "versioning is off" });
  }
}
