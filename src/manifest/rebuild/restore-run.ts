import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import * as artifacts from "../../db/records/artifacts.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import { putDelivery } from "../../db/delivery/delivery-snapshot.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import { insertAll, insertRow } from "../../db/copy/fresh-database.ts";
import * as imported from "../../db/records/imported-artifacts.ts";
import * as metrics from "../../db/records/metrics.ts";
import * as params from "../../db/records/params.ts";
import * as runs from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import { parseDigest } from "../../domain/digest.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import type { LostBytes } from "../../store/damage/lost-bytes.ts";
import type { LostArtifact, LostRun } from "../read/lost-run.ts";

export interface Restoring {
  db: Database;
  root: string;
  bytes: LostBytes;
  /** What the journal says was deleted, by uid. */
  deleted: ReadonlyMap<string, { at: number; message: string | undefined }>;
  /** Through which line of the journal each run's manifest tells, by the run's seq. */
  told: Map<number, number>;
  notes: string[];
}

/** A run as a manifest has it, or as one that goes on. */
export interface Restorable extends Pick<LostRun, "artifacts" | "journal"> {
  run: Omit<LostRun["run"], "state"> & Pick<runs.RunRow, "state">;
}

/**
 * Writes a run as its manifest has it: every column, its artifacts with their bytes, what it was told and what was told of it. A run that is there already, from a
 * newer manifest, gets only the artifacts that this one alone has. Links to other runs wait until all are there.
 */
export function restoreRun(restoring: Restoring, { run, artifacts: made, journal }: Restorable, manifest: string): void {
  const { db } = restoring;
  const before = runs.byId(db, run.id);
  const seq = before?.seq ?? insertRun(restoring, run);
  if (before) runs.update(db, seq, { manifest: "due" });
  else restoring.told.set(seq, journal ?? 0);
  const seqs = new Map<string, number>();
  // in the order of the numbers that they had
  for (const artifact of made.toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0))) {
    const known = imported.byUid(db, artifact.uid);
    if (!known) seqs.set(artifact.uid, restoreArtifact(restoring, artifact, { run: seq, id: run.id }));
    else if (known.run !== seq) restoring.notes.push(`${manifest}: artifact ${artifact.uid} is of another run too, and stays with that`);
  }
  if (before) return;
  restoreData(restoring, run, seq, seqs);
}

function insertRun({ db, root }: Restoring, run: Restorable["run"]): number {
  const { parent, command, branch, environment, configuration, extra, ...columns } = run;
  const { params: _params, tags: _tags, metrics: _metrics, inputs: _inputs, deliveries: _deliveries, events: _events, ...rest } = columns;
  const isGone = run.workspace !== null && !existsSync(isAbsolute(run.workspace) ? run.workspace : join(root, run.workspace));
  const seq = insertRow(db, "runs", {
    ...rest,
    seq: rest.seq ?? null,
    command: command && JSON.stringify(command),
    branch: JSON.stringify(branch),
    environment: JSON.stringify(environment),
    configuration: JSON.stringify(configuration),
    extra: JSON.stringify(extra),
    workspace_state: rest.workspace_state !== null && isGone ? "removed" : rest.workspace_state,
    manifest: "written",
  });
  if (parent !== null) insertAll(db, "lost_parents", [{ run: seq, id: parent }]);
  return seq;
}

function restoreData({ db }: Restoring, run: Restorable["run"], seq: number, seqs: ReadonlyMap<string, number>): void {
  params.set(db, seq, Object.entries(run.params));
  tags.set(db, "run", seq, Object.entries(run.tags));
  metrics.insert(
    db,
    seq,
    run.metrics.map(([key, value, step, time]) => ({ key, value: value ?? Number.NaN, step, time })),
  );
  for (const [position, { artifact, path, digest, size, how, changed }] of run.inputs.entries()) {
    insertAll(db, "run_inputs", [{ run: seq, position, artifact: null, path, digest, size, how, changed }]);
    if (artifact !== null) insertAll(db, "lost_inputs", [{ run: seq, position, uid: artifact }]);
  }
  const seqOf = (uid: string): number | undefined => seqs.get(uid);
  for (const delivery of run.deliveries) putDelivery(db, seq, delivery, seqOf);
  insertAll(
    db,
    "events",
    run.events.map(([at, kind, message, uid]) => ({ at, run: seq, artifact: uid === null ? null : (seqOf(uid) ?? null), kind, message })),
  );
}

function restoreArtifact(restoring: Restoring, artifact: LostArtifact, run: { run: number; id: string }): number {
  const { db, deleted, notes } = restoring;
  const { artifact_id: id, branch, params: own, metrics: measured, feature_columns: columns, extra, ...more } = artifact;
  const { tags: labels, edges, meta_sources: sources, sha256: _sha256, list_size: _listSize, foreign: _foreign, ...rest } = more;
  const deletion = deleted.get(artifact.uid);
  const isGone = deletion !== undefined || artifact.state === "deleted";
  const version = freeVersion(db, artifact);
  if (version !== artifact.version) {
    notes.push(`${artifact.name}@v${artifact.version} of run ${run.id} is ${artifact.name}@v${version} now: another has that number`);
    runs.update(db, run.run, { manifest: "due" });
  }
  const seq = insertRow(db, "artifacts", {
    ...rest,
    seq: rest.seq ?? null,
    id,
    run: run.run,
    version,
    state: isGone ? "deleted" : artifact.state,
    state_at: deletion && artifact.state !== "deleted" ? deletion.at : artifact.state_at,
    blob: isGone ? null : blobOf(restoring, artifact),
    branch: JSON.stringify(branch),
    params: JSON.stringify(own),
    metrics: JSON.stringify(measured),
    feature_columns: columns && JSON.stringify(columns),
    extra: JSON.stringify(extra),
  });
  tags.set(db, "artifact", seq, Object.entries(labels));
  insertAll(
    db,
    "lost_edges",
    edges.map(({ to, role, position, implicit, changed }, index) => ({
      artifact: seq,
      uid: to,
      role,
      position: position ?? index,
      implicit: Number(implicit),
      changed: Number(changed),
    })),
  );
  insertAll(
    db,
    "lost_sources",
    sources.map(({ feature_index, source }) => ({ artifact: seq, feature_index, uid: source })),
  );
  return seq;
}

/** Two may have one number: an older database was put back, and gave it again. */
function freeVersion(db: Database, { name, version }: LostArtifact): number {
  if (name === null || !artifacts.versionOfName(db, name, version, "any")) return version;
  return (artifacts.latestOfName(db, name, "any")?.version ?? version) + 1;
}

function blobOf({ db, bytes, notes }: Restoring, artifact: LostArtifact): number {
  const { foreign: elsewhere, sha256, dataset, type, path, kind } = artifact;
  const digest = parseDigest(artifact.digest);
  if (!elsewhere) {
    const said =
      kind === "tree" ? { size: artifact.list_size, type: "tree", class: null } : { size: artifact.size, type, class: artifact.class };
    const seq = bytes.blobOf({ digest, dataset: dataset ?? DEFAULT_DATASET, path, ...said });
    if (sha256 !== undefined) foreign.learnSha256(db, seq, Buffer.from(sha256, "hex"));
    return seq;
  }
  const known =
    (elsewhere.blake3 === null ? null : blobs.byDigest(db, { algorithm: "blake3", hex: elsewhere.blake3 })) ??
    (elsewhere.sha256 === null ? null : blobs.byDigest(db, { algorithm: "sha256", hex: elsewhere.sha256 })) ??
    blobs.byDigest(db, digest);
  if (known) return known.seq;
  const there = foreign.atPath(db, elsewhere.path);
  if (there) {
    notes.push(`${elsewhere.path} is ${there.digest} for one record and ${artifact.digest} for another: one file has one content`);
    return there.seq;
  }
  const [mtime_ns, ctime_ns, inode] = elsewhere.stamp ?? [null, null, null];
  const hex = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, "hex"));
  return insertRow(db, "blobs", {
    blake3: digest.algorithm === "blake3" ? hex(digest.hex) : hex(elsewhere.blake3),
    sha256: digest.algorithm === "sha256" ? hex(digest.hex) : hex(elsewhere.sha256),
    size: elsewhere.size ?? artifact.size,
    // what nobody has read, or nobody knows when, is to be read
    state: mtime_ns === null || elsewhere.state === "unverified" ? "unverified" : "live",
    dataset: elsewhere.dataset,
    place: "foreign",
    path: elsewhere.path,
    mtime_ns,
    ctime_ns,
    inode,
    created_at: elsewhere.created_at ?? artifact.created_at,
  });
}
