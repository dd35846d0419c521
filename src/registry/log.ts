import { lstatSync } from "node:fs";
import { basename, resolve } from "node:path";
import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as leases from "../db/leases.ts";
import * as metrics from "../db/metrics.ts";
import type { MetricPoint } from "../db/metrics.ts";
import * as params from "../db/params.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import * as events from "../db/events.ts";
import * as tags from "../db/tags.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { guessArtifactType } from "../domain/artifact-type.ts";
import { CofferError, reason } from "../domain/error.ts";
import { checkArtifactPath, DEFAULT_DATASET } from "../domain/names.ts";
import { redactPairs, redactText } from "../domain/redact.ts";
import { ingest } from "../store/ingest.ts";
import type { Problem } from "../store/walk.ts";
import type { IngestUnit } from "../store/ingest-unit.ts";
import { abandonLease, clearStaging, endLease, takeLease } from "../store/lease.ts";
import type { Lease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { enqueueRun } from "./enqueue.ts";
import { requireMetaModel } from "./meta-model.ts";
import { readBefore } from "./read-before.ts";
import { manifestIsDue, recordArtifact } from "./record.ts";
import { refuseOwnRoots } from "./refuse-own-roots.ts";
import type { Particulars } from "./record.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** A file or directory to keep. */
export interface LoggedPath {
  /** Absolute, or relative to the working directory. */
  source: string;
  /** Its path within the run; by default its base name. */
  as?: string | undefined;
  /** false: its stage's switch keeps it from MLflow. */
  deliver?: boolean;
}

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
  /** The files stay in the store; the server is not told of them. */
  skipArtifacts?: boolean;
}

export interface Logged {
  run: RunRow;
  artifacts: ArtifactRow[];
  /** What was found but not kept. */
  problems: Problem[];
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
  refuseCollisions(units);
  if (units.length === 0) return store.transaction(() => commitLog(store, request, [], { problems: [], added: { blobs: 0, bytes: 0 } }));

  const lease = takeLease(store, "ingest", request.run ? { run: request.run.seq } : {});
  try {
    holdOrigins(store, lease, request.particulars);
    const options = {
      dataset: request.particulars.dataset ?? request.run?.dataset ?? request.newRun?.dataset ?? DEFAULT_DATASET,
      ...(request.ignored && { ignored: (_: IngestUnit, path: string) => request.ignored?.(path) ?? false }),
    };
    const { result, added } = await ingest(store, lease, units, options, (admitted, problems) => {
      const unread = problems.filter((problem) => problem.failed);
      if (unread.length > 0) throw unreadable(unread);
      const logged = commitLog(store, request, admitted, { problems: [...problems], added: { blobs: 0, bytes: 0 } });
      endLease(store, lease);
      return logged;
    });
    clearStaging(store, lease);
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
  rest: Pick<Logged, "problems" | "added">,
): Logged {
  const now = store.now();
  let run = request.run ? runs.bySeq(store.db, request.run.seq) : null;
  if (!run) {
    const seq = runs.insert(store.db, { id: Bun.randomUUIDv7(), kind: "log", started_at: now, ...request.newRun });
    runs.update(store.db, seq, { state: "finished", ended_at: now });
    run = runs.bySeq(store.db, seq) as RunRow;
  }
  params.set(store.db, run.seq, redactPairs(request.params, request.secrets));
  tags.set(store.db, "run", run.seq, redactPairs(request.tags, request.secrets));
  metrics.insert(store.db, run.seq, request.metrics);
  const said = request.particulars.readBefore ?? [];
  const read = run.state === "running" ? readBefore(store, run.seq) : [];
  const recorded = admitted.map((unit, index) =>
    recordArtifact(store, run, unit, {
      ...request.particulars,
      role: "logged",
      deliver: request.paths[index]?.deliver,
      readBefore: [...said, ...read],
    }),
  );
  for (const problem of rest.problems)
    events.record(store.db, { at: now, run: run.seq, kind: "skipped", message: `${problem.path}: ${problem.why}` });
  if (run.state !== "running") {
    enqueueRun(store, run, { remoteRun: request.remoteRun, ...(request.skipArtifacts && { skipArtifacts: true }) });
    manifestIsDue(store, run.seq);
  }
  return { run, artifacts: recorded, ...rest };
}

function unitOf({ source, as }: LoggedPath, said: Omit<Particulars, "role">): IngestUnit {
  // it would be the working directory
  if (source === "")
    throw new CofferError("PATH_INVALID", "a path is empty", { hint: "look whether a variable is not set; nothing was stored" });
  const absolute = resolve(source);
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(absolute);
  } catch (error) {
    throw new CofferError("UNREADABLE", `${source} cannot be read: ${reason(error)}`, {
      hint: "check the path; nothing was stored",
      cause: error,
    });
  }
  if (!stat.isFile() && !stat.isDirectory())
    throw new CofferError("UNREADABLE", `${source} is neither a file nor a directory`, {
      hint: "a link is not followed: name what it points to; nothing was stored",
    });
  const path = checkArtifactPath(as ?? basename(absolute));
  const type = said.type ?? (stat.isDirectory() ? "file" : guessArtifactType(path));
  return {
    path,
    source: absolute,
    kind: stat.isDirectory() ? "tree" : "file",
    type,
    class: said.class ?? null,
    typed: said.type !== undefined || said.class !== undefined,
    move: false,
  };
}

function refuseCollisions(units: readonly IngestUnit[]): void {
  const seen = new Map<string, string>();
  for (const { path, source } of units) {
    const other = seen.get(path);
    if (other !== undefined)
      throw new CofferError("COLLISION", `${other} and ${source} would both be “${path}”`, {
        hint: "log them one by one and name one with --as PATH; nothing was stored",
      });
    seen.set(path, source);
  }
}

function unreadable(problems: readonly Problem[]): CofferError {
  return new CofferError(
    "UNREADABLE",
    `${problems.length === 1 ? "a file" : `${problems.length} files`} could not be kept: ${problems[0]?.path}: ${problems[0]?.why}`,
    {
      hint: "make it readable, or leave it out with --ignore PATTERN; nothing was stored",
      candidates: problems.slice(1, 20).map((problem) => `${problem.path}: ${problem.why}`),
    },
  );
}
