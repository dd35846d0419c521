import * as edges from "../../db/records/edges.ts";
import * as events from "../../db/records/events.ts";
import * as imported from "../../db/records/imported-artifacts.ts";
import * as metaSources from "../../db/records/meta-sources.ts";
import * as metrics from "../../db/records/metrics.ts";
import * as params from "../../db/records/params.ts";
import * as runs from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import type { Store } from "../../store/store.ts";
import type { Lineage } from "./check-lineage.ts";
import type { ArtifactMark } from "../read/coffer-block.ts";
import { BLOCK_REST, toForeignJson } from "../read/foreign-json.ts";
import { manifestItem } from "../read/manifest-item.ts";
import { originsOf, sourcesOf } from "../read/origins.ts";
import type { PlannedItem, PlannedManifest } from "./plan-import.ts";
import type { ReadItem } from "../read/read-item.ts";
import { recordBytes } from "./record-bytes.ts";
import type { RecordBytes, Taken } from "./record-bytes.ts";

export interface Recorded {
  manifest: PlannedManifest;
  /** seq. */
  run: number;
  /** How many records came with bytes that nobody has read. */
  unverified: number;
  /** How many known records have their bytes at another place now. */
  relocated: number;
  renumbered: { id: string; said: number; given: number }[];
}

/** Another process imported into one of the runs since the plan was made. */
export class Outrun extends Error {}

/**
 * Writes what was planned: a run for each manifest, its artifacts with the versions that they had (or the next, where another has that number), edges in their
 * order. Inside one write transaction.
 * @throws CofferError DEPENDENCY_CYCLE, COLLISION; Outrun
 */
export function recordImport(store: Store, manifests: readonly PlannedManifest[], lineage: Lineage, taken: Taken): Recorded[] {
  const seqs = new Map<ReadItem, number>();
  const recorded = manifests.map((manifest): Recorded => {
    const run = runOf(store, manifest);
    const result: Recorded = { manifest, run, unverified: 0, relocated: 0, renumbered: [] };
    if (imported.countOfRun(store.db, run) !== manifest.before.length) throw new Outrun();
    for (const [item, { seq }] of manifest.known) seqs.set(item, seq);
    const lastAt = new Map(manifest.items.map((planned, index) => [pathOf(planned), index]));
    for (const [index, planned] of manifest.items.entries())
      seqs.set(planned.item, recordItem(store, result, planned, taken, lastAt.get(pathOf(planned)) === index));
    for (const again of manifest.again) if (recordBytes(store, again, taken).isMoved) result.relocated++;
    return result;
  });
  for (const { manifest } of recorded) {
    const seqOf = (mark: ArtifactMark): number => {
      const meant = lineage(manifest, mark);
      return "seq" in meant ? meant.seq : (seqs.get(meant) as number);
    };
    for (const planned of manifest.items) recordOrigins(store, planned, seqs.get(planned.item) as number, seqOf);
  }
  for (const run of new Set(recorded.map((one) => one.run)))
    for (const { seq, id } of imported.withOlder(store.db, run)) refuseCircle(store, id, seq);
  return recorded;
}

function pathOf({ item, block }: PlannedItem): string {
  return block?.path ?? item.path;
}

function runOf(store: Store, { read, run, items, again }: PlannedManifest): number {
  const known = run ?? runs.byId(store.db, read.uid);
  const now = store.now();
  if (known) {
    if (items.length + again.length > 0) runs.update(store.db, known.seq, { manifest: "due" });
    return known.seq;
  }
  const { block } = read;
  const seq = runs.insert(store.db, {
    id: read.uid,
    kind: "import",
    name: read.name,
    started_at: read.createdAt ?? now,
    dataset: block.run.none.has("dataset") ? null : read.dataset,
    pipeline: read.pipeline,
    code_commit: block.run.commit,
    extra: toForeignJson(read.extra),
  });
  runs.update(store.db, seq, { state: block.run.state ?? "finished", ended_at: block.run.endedAt ?? now, manifest: "due" });
  params.set(store.db, seq, block.run.params);
  tags.set(store.db, "run", seq, block.run.tags);
  const time = read.createdAt ?? now;
  metrics.insert(
    store.db,
    seq,
    block.run.metrics.map(([key, value]) => ({ key, value, step: 0, time })),
  );
  events.record(store.db, { at: now, run: seq, kind: "imported", message: `imported from ${read.path}` });
  return seq;
}

function recordItem(store: Store, result: Recorded, planned: PlannedItem, taken: Taken, deliver: boolean): number {
  const { item, block, isGone } = planned;
  const { read } = result.manifest;
  const { blob, digest, kind, size, files, isUnread } = isGone ? goneBytes(planned) : recordBytes(store, planned, taken);
  if (isUnread) result.unverified++;
  const uid = block?.uid;
  const row = {
    uid: uid === undefined || imported.byUid(store.db, uid) ? Bun.randomUUIDv7() : uid,
    id: item.id,
    run: result.run,
    name: block?.name === undefined ? item.name : block.name,
    role: "imported" as const,
    deliver: deliver ? 1 : 0,
    kind,
    blob,
    digest,
    size,
    files,
    mode: block?.mode ?? (kind === "tree" ? 0o755 : 0o644),
    path: pathOf(planned),
    type: item.type,
    class: item.class,
    dataset: block?.dataset === undefined && read.block.run.none.has("dataset") ? null : planned.dataset,
    pipeline: item.pipeline,
    branch: JSON.stringify(item.branch),
    step: item.stepIndex,
    sub_step: item.step?.subStep ?? block?.subStep ?? null,
    fold: item.fold,
    format: item.format,
    format_version: item.formatVersion,
    description: block?.description ?? null,
    params: plainJson(item.params),
    metrics: plainJson(block?.metrics ?? {}),
    feature_columns: item.meta ? JSON.stringify(item.meta.columns) : null,
    code_commit: block?.commit ?? null,
    created_at: item.createdAt ?? read.createdAt ?? store.now(),
  };
  const extra = toForeignJson(extraOf(planned, row));
  const { seq, version } = imported.insert(store.db, { ...row, extra }, item.version);
  if (item.version !== undefined && item.version !== version) result.renumbered.push({ id: item.id, said: item.version, given: version });
  if (block) tags.set(store.db, "artifact", seq, block.tags);
  return seq;
}

/** It becomes a tombstone. */
function goneBytes({ item, block, digest }: PlannedItem): Omit<RecordBytes, "blob"> & { blob: null } {
  const kind = block?.kind ?? "file";
  const files = kind === "tree" ? (block?.files ?? 0) : 1;
  return { blob: null, digest: formatDigest(digest), kind, size: item.size ?? 0, files, isUnread: false, isMoved: false };
}

/** What an export would not say again as the manifest said it. */
function extraOf(planned: PlannedItem, row: Omit<Parameters<typeof manifestItem>[0], "extra" | "version">): Record<string, unknown> {
  const { item, block } = planned;
  const dependsOn = [...new Set(originsOf(planned).map(({ id }) => id))];
  const again: Record<string, unknown> = manifestItem({ ...row, version: 0, extra: "{}" }, { contentHash: "", dependsOn, meta: item.meta });
  const ours = new Set(["content_hash", "version", "size_bytes", ...(block?.path === undefined ? [] : ["path"])]);
  return {
    ...Object.fromEntries(Object.entries(item.raw).filter(([key, value]) => !ours.has(key) && !Bun.deepEquals(again[key], value, true))),
    ...(block && Object.keys(block.rest).length > 0 && { [BLOCK_REST]: block.rest }),
  };
}

/** @throws CofferError MANIFEST_INVALID for a meta-model that is fed one model twice */
function recordOrigins(store: Store, planned: PlannedItem, artifact: number, seqOf: (mark: ArtifactMark) => number): void {
  const sources = sourcesOf(planned).map(seqOf);
  if (new Set(sources).size < sources.length)
    throw new CofferError("MANIFEST_INVALID", `${planned.item.id} names a source twice in its meta_config`, {
      hint: "name each once; nothing was stored",
    });
  edges.insert(
    store.db,
    artifact,
    originsOf(planned).map((mark, position) => ({ dependency: seqOf(mark), role: mark.role, position, implicit: mark.implicit })),
  );
  metaSources.insert(store.db, artifact, sources);
}

/** An id that the store had before: what it is made from now may have been made from what it was. */
function refuseCircle(store: Store, id: string, artifact: number): void {
  const origins = edges.dependencies(store.db, artifact).map(({ dependency }) => dependency);
  if (origins.length === 0 || !edges.reachesId(store.db, origins, id)) return;
  throw new CofferError("DEPENDENCY_CYCLE", `“${id}” cannot depend on what depends on “${id}”`, {
    hint: "look at depends_on and meta_config of this record; nothing was stored",
  });
}

/** Numbers that are none become words, as those of metrics do. */
function plainJson(values: Record<string, unknown>): string {
  return JSON.stringify(values, (_, value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value));
}
