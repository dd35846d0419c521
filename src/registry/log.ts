import { rmSync } from "node:fs";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as leases from "../db/bytes/leases.ts";
import * as metrics from "../db/records/metrics.ts";
import type { MetricPoint } from "../db/records/metrics.ts";
import * as params from "../db/records/params.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as stagedOutputs from "../db/delivery/staged-outputs.ts";
import * as events from "../db/records/events.ts";
import * as tags from "../db/records/tags.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { CofferError } from "../domain/error.ts";
import { DEFAULT_DATASET } from "../domain/names.ts";
import { redactPairs, redactText } from "../domain/redact.ts";
import { ingest, settleMoved } from "../store/ingest/ingest.ts";
import type { Problem } from "../store/ingest/walk.ts";
import type { IngestUnit } from "../store/ingest/ingest-unit.ts";
import { abandonLease, closeLease, takeLease } from "../store/lease.ts";
import type { Lease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { enqueueRun, keepToOurselves } from "./enqueue.ts";
import { journalLogged } from "./journal-logged.ts";
import { pathInWorkspace, refuseCollisions, unitOf, unreadable } from "./logged-path.ts";
import type { LoggedPath } from "./logged-path.ts";
import { requireMetaModel } from "./meta-model.ts";
import { readBefore } from "./read-before.ts";
import { manifestIsDue, recordArtifact } from "./record.ts";
import { refuseOwnRoots } from "./refuse-own-roots.ts";
import type { Particulars } from "./record.ts";
import { withoutSecrets } from "./without-secrets.ts";

export interface LogRequest {
  /** A run that exists; undefined makes a run of its own, finished at once. */
  run: RunRow | undefined;
  /** For a run of its own. */
  newRun?: Partial<
    Pick<
      RunRow,
      | "name"
      | "dataset"
      | "pipeline"
      | "branch"
      | "step"
      | "sub_step"
      | "fold"
      | "host"
      | "user"
      | "directory"
      | "code_commit"
      | "code_branch"
      | "code_remote"
      | "code_dirty"
      | "environment"
      | "configuration"
    >
  >;
  paths: readonly LoggedPath[];
  particulars: Omit<Particulars, "role">;
  metrics: readonly MetricPoint[];
  params: readonly (readonly [string, string])[];
  tags: readonly (readonly [string, string])[];
  /** Values of the environment that may not be written down. */
  secrets?: readonly string[];
  ignored?: (path: string) => boolean;
  /** An MLflow run that exists already: what is logged is delivered to it. */
  remoteRun?: string | undefined;
  /** What a stage left out before it came to be a path. */
  skipped?: readonly Problem[];
}

export interface Logged {
  run: RunRow;
  artifacts: ArtifactRow[];
  /** What was found but not kept. */
  problems: Problem[];
  /** What is kept, and MLflow is not told of. */
  heldBack: { path: string; why: string }[];
  /** What could not be read of a metrics file, in sentences. */
  notes: string[];
  added: { blobs: number; bytes: number };
}

/**
 * Records files, directories, metrics, params and tags on a run: all of it in one transaction, or nothing.
 * @throws CofferError USAGE, UNREADABLE, PATH_INVALID, COLLISION, DEPENDENCY_CYCLE, BRANCH_MISMATCH, FEATURES_MISMATCH, STORE_UNUSABLE
 */
export async function log(store: Store, given: LogRequest): Promise<Logged> {
  const request = { ...given, particulars: storable(given.particulars, given.secrets ?? []) };
  const { type, sources = [], featureColumns } = request.particulars;
  if (request.paths.length > 0) requireMetaModel(type, sources.length, featureColumns);
  const units = request.paths.map((path) => unitOf(path, request.particulars));
  for (const unit of units) if (unit.kind === "tree") refuseOwnRoots(store, unit.source, request.ignored ?? (() => false));
  const pathOf = new Map(units.map((unit, index) => [unit, request.paths[index]]));
  refuseCollisions(units);
  const none = { blobs: 0, bytes: 0 };
  if (units.length === 0) return { ...store.transaction(() => commitLog(store, request, [], request.skipped ?? [])), added: none };

  const lease = takeLease(store, "ingest", request.run ? { run: request.run.seq } : {});
  try {
    holdOrigins(store, lease, request.particulars);
    // a directory may be listed several times
    const leftOut = new Map<string, Problem>();
    const options = {
      dataset: request.particulars.dataset ?? request.run?.dataset ?? request.newRun?.dataset ?? DEFAULT_DATASET,
      remember: true,
      ignored: (unit: IngestUnit, path: string) => {
        const why = pathOf.get(unit)?.leaveOut?.(path);
        if (why !== undefined) leftOut.set(`${unit.path}/${path}`, { path: `${unit.path}/${path}`, why, failed: false });
        return why !== undefined || (request.ignored?.(path) ?? false);
      },
    };
    const { result, added, moved } = await ingest(store, lease, units, options, (admitted, problems) => {
      const unread = problems.filter((problem) => problem.failed);
      if (unread.length > 0) throw unreadable(unread);
      return commitLog(store, request, admitted, [...(request.skipped ?? []), ...sorted(leftOut), ...problems]);
    });
    for (const { source } of moved) rmSync(source, { force: true });
    settleMoved(store, moved);
    closeLease(store, lease);
    return { ...result, added };
  } catch (error) {
    abandonLease(store, lease);
    throw error;
  }
}

function storable(said: LogRequest["particulars"], secrets: readonly string[]): LogRequest["particulars"] {
  const { tags, dependsOn } = said;
  return {
    ...withoutSecrets(said, secrets),
    ...(tags && { tags: redactPairs(tags, secrets) }),
    ...(dependsOn && { dependsOn: dependsOn.map(({ artifact, role }) => ({ artifact, role: role && redactText(role, secrets) })) }),
  };
}

/** Reading the files may take minutes: until their edges are there, nothing but the lease keeps gc from what they were made from. */
function holdOrigins(store: Store, lease: Lease, { dependsOn = [], sources = [] }: Omit<Particulars, "role">): void {
  const origins = [...dependsOn.map(({ artifact }) => artifact), ...sources];
  if (origins.length === 0) return;
  store.transaction(() => {
    for (const { seq } of origins) {
      const row = artifacts.bySeq(store.db, seq) as ArtifactRow;
      if (row.blob === null)
        throw new CofferError("DEPENDENCY_MISSING", `gc has just deleted ${artifactRef(row)}`, {
          hint: "log it again, or leave it out; nothing was stored",
        });
      leases.holdBlob(store.db, lease.seq, row.blob);
    }
  });
}

function commitLog(
  store: Store,
  request: LogRequest,
  admitted: Parameters<typeof recordArtifact>[2][],
  problems: readonly Problem[],
): Omit<Logged, "added"> {
  const now = store.now();
  let run = request.run ? runs.bySeq(store.db, request.run.seq) : null;
  if (!run) {
    const seq = runs.insert(store.db, { id: Bun.randomUUIDv7(), kind: "log", started_at: now, ...request.newRun });
    runs.update(store.db, seq, { state: "finished", ended_at: now });
    run = runs.bySeq(store.db, seq) as RunRow;
  }
  params.set(store.db, run.seq, redactPairs(request.params, request.secrets));
  tags.set(store.db, "run", run.seq, redactPairs(request.tags, request.secrets));
  metrics.insert(store.db, run.seq, [...request.metrics, ...request.paths.flatMap((path) => path.readings?.metrics ?? [])]);
  const before = request.particulars.readBefore ?? [];
  const read = run.state === "running" ? readBefore(store, run.seq) : [];
  const note = (kind: string, message: string, artifact: number | null = null): void =>
    events.record(store.db, { at: now, run: run.seq, artifact, kind, message });
  const heldBack: Logged["heldBack"] = [];
  let isTold = request.metrics.length + request.params.length + request.tags.length > 0;
  const recorded = admitted.map((unit, index) => {
    const { said, heldBack: why, stagedFrom } = request.paths[index] as LoggedPath;
    const all = { ...request.particulars, ...said, role: "logged", readBefore: [...before, ...read] } as const;
    const row = recordArtifact(store, run, unit, { ...all, deliver: why === undefined });
    if (why === undefined) isTold = true;
    else {
      heldBack.push({ path: row.path, why });
      note("held-back", `${row.path} stays in the store: ${why}`, row.seq);
    }
    const inWorkspace = stagedFrom !== undefined && run.workspace !== null && pathInWorkspace(stagedFrom, store.path(run.workspace));
    if (inWorkspace) stagedOutputs.add(store.db, run.seq, inWorkspace);
    return row;
  });
  for (const { path, why } of problems) note("skipped", `${path}: ${why}`);
  const notes = request.paths.flatMap((path) => path.readings?.skipped ?? []);
  for (const message of notes) note("note", message);
  if (run.state !== "running") {
    if (isTold) enqueueRun(store, run, { remoteRun: request.remoteRun });
    else if (!request.run) keepToOurselves(store, run, request.remoteRun);
    manifestIsDue(store, run.seq);
  } else journalLogged(store, run, recorded);
  return { run, artifacts: recorded, problems: [...problems], heldBack, notes };
}

function sorted(problems: ReadonlyMap<string, Problem>): Problem[] {
  return [...problems].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, problem]) => problem);
}
