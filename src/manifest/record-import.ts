import * as artifacts from "../db/artifacts.ts";
import * as edges from "../db/edges.ts";
import * as events from "../db/events.ts";
import * as imported from "../db/imported-artifacts.ts";
import * as metaSources from "../db/meta-sources.ts";
import * as metrics from "../db/metrics.ts";
import * as params from "../db/params.ts";
import * as runs from "../db/runs.ts";
import * as tags from "../db/tags.ts";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";
import { originsOf } from "./check-lineage.ts";
import type { Outside } from "./check-lineage.ts";
import { toForeignJson } from "./foreign-json.ts";
import { manifestItem } from "./manifest-item.ts";
import type { PlannedItem, PlannedManifest } from "./plan-import.ts";
import { recordBytes } from "./record-bytes.ts";
import type { Taken } from "./record-bytes.ts";

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
export function recordImport(store: Store, manifests: readonly PlannedManifest[], outside: Outside, taken: Taken): Recorded[] {
  const recorded: Recorded[] = [];
  const made = new Map<string, number>();
  const own = manifests.map((manifest) => {
    const run = runOf(store, manifest);
    const result: Recorded = { manifest, run, unverified: 0, relocated: 0, renumbered: [] };
    recorded.push(result);
    const before = artifacts.ofRun(store.db, run, "any");
    if (before.length !== manifest.seen) throw new Outrun();
    const seqs = new Map(before.map(({ id, seq }) => [id, seq]));
    const lastAt = new Map(manifest.items.map(({ item, block }, index) => [block?.path ?? item.path, index]));
    const rows = manifest.items.map((planned, index) => {
      const deliver = lastAt.get(planned.block?.path ?? planned.item.path) === index;
      const seq = recordItem(store, result, planned, taken, deliver);
      seqs.set(planned.item.id, seq);
      return { planned, seq };
    });
    for (const again of manifest.again) if (recordBytes(store, again, taken).isMoved) result.relocated++;
    for (const [id, seq] of seqs) made.set(id, seq);
    return { run, seqs, rows };
  });
  for (const { seqs, rows } of own)
    for (const { planned, seq } of rows) recordOrigins(store, planned, seq, (id) => seqs.get(id) ?? made.get(id) ?? outside.get(id)?.seq);
  for (const run of new Set(own.map((one) => one.run)))
    for (const { seq, id } of imported.withOlder(store.db, run)) refuseCircle(store, id, seq);
  return recorded;
}

function runOf(store: Store, { read, run, items, again }: PlannedManifest): number {
  const known = run ?? runs.byId(store.db, read.uid);
  const now = store.now();
  if (known) {
    if (items.length + again.length > 0) runs.update(store.db, known.seq, { manifest: "due" });
    return known.seq;
  }
  const seq = runs.insert(store.db, {
    id: read.uid,
    kind: "import",
    name: read.name,
    started_at: read.createdAt ?? now,
    dataset: read.dataset,
    pipeline: read.pipeline,
    extra: toForeignJson(read.extra),
  });
  runs.update(store.db, seq, { state: "finished", ended_at: now, manifest: "due" });
  params.set(store.db, seq, read.block.run.params);
  tags.set(store.db, "run", seq, read.block.run.tags);
  const time = read.createdAt ?? now;
  metrics.insert(
    store.db,
    seq,
    read.block.run.metrics.map(([key, value]) => ({ key, value, step: 0, time })),
  );
  events.record(store.db, { at: now, run: seq, kind: "imported", message: `imported from ${read.path}` });
  return seq;
}

function recordItem(store: Store, result: Recorded, planned: PlannedItem, taken: Taken, deliver: boolean): number {
  const { item, block } = planned;
  const { read } = result.manifest;
  const bytes = recordBytes(store, planned, taken);
  if (bytes.isUnread) result.unverified++;
  const row = {
    uid: Bun.randomUUIDv7(),
    id: item.id,
    run: result.run,
    name: block?.name === undefined ? item.name : block.name,
    role: "imported" as const,
    deliver: deliver ? 1 : 0,
    kind: block?.kind ?? ("file" as const),
    blob: bytes.blob,
    digest: bytes.digest,
    size: item.size ?? bytes.size,
    files: block?.kind === "tree" ? block.files : 1,
    mode: block?.mode ?? (block?.kind === "tree" ? 0o755 : 0o644),
    path: block?.path ?? item.path,
    type: item.type,
    class: item.class,
    dataset: planned.dataset,
    pipeline: item.pipeline,
    branch: JSON.stringify(item.branch),
    step: item.stepIndex,
    sub_step: item.step?.subStep ?? null,
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

/** What an export would not say again as the manifest said it. */
function extraOf(
  { item, block }: PlannedItem,
  row: Omit<Parameters<typeof manifestItem>[0], "extra" | "version">,
): Record<string, unknown> {
  const again: Record<string, unknown> = manifestItem(
    { ...row, version: 0, extra: "{}" },
    { contentHash: "", dependsOn: originsOf(item), meta: item.meta },
  );
  const ours = new Set(["content_hash", "version", "size_bytes", ...(block?.path === undefined ? [] : ["path"])]);
  return Object.fromEntries(Object.entries(item.raw).filter(([key, value]) => !ours.has(key) && !Bun.deepEquals(again[key], value, true)));
}

function recordOrigins(store: Store, { item, block }: PlannedItem, artifact: number, seqOf: (id: string) => number | undefined): void {
  const sources = (item.meta?.sources ?? []).map(({ id }) => ({ id, seq: seqOf(id) as number }));
  const sourceIds = new Set(sources.map(({ id }) => id));
  edges.insert(
    store.db,
    artifact,
    originsOf(item).map((id, position) => ({
      dependency: seqOf(id) as number,
      role: block?.roles.get(id) ?? (sourceIds.has(id) ? "source" : "input"),
      position,
      implicit: false,
    })),
  );
  metaSources.insert(
    store.db,
    artifact,
    sources.map(({ seq }) => seq),
  );
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
