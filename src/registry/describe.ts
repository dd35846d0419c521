import * as aliases from "../db/records/aliases.ts";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as damage from "../db/bytes/damage.ts";
import * as edges from "../db/records/edges.ts";
import * as events from "../db/records/events.ts";
import type { EventRow } from "../db/records/events.ts";
import * as metrics from "../db/records/metrics.ts";
import * as params from "../db/records/params.ts";
import * as pins from "../db/records/pins.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as tags from "../db/records/tags.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import type { Store } from "../store/store.ts";
import { metaConfig } from "./meta-model.ts";
import type { MetaConfig } from "./meta-model.ts";

/** An artifact in a list. */
export interface ArtifactSummary {
  id: string;
  ref: string;
  run: string;
  name: string | null;
  version: number;
  type: string;
  class: string | null;
  kind: "file" | "tree";
  dataset: string | null;
  path: string;
  size: number;
  files: number;
  digest: string;
  state: string;
  /** Its bytes are known to be lost or changed, or those of a file in it. */
  damaged: boolean;
  created_at: string;
}

/** An artifact by its place in a pipeline, in a list. */
export interface RecordSummary extends Omit<ArtifactSummary, "path" | "files" | "damaged" | "created_at"> {
  branch_path: number[];
  step_index: number | null;
  sub_step: number | null;
  fold_id: number | null;
}

/** What is known of something that an artifact was made from. */
export interface DependencyRecord {
  id: string;
  ref: string;
  role: string;
  /** Nobody named it: it follows from what the run read. */
  implicit: boolean;
  /** It changed while the run was reading it. */
  changed: boolean;
  state: string;
}

/** Everything that is known of an artifact; the keys of the manifest's items are among them. */
export interface ArtifactRecord extends ArtifactSummary {
  uid: string;
  artifact_id: string;
  content_hash: string;
  pipeline_id: string | null;
  branch_path: number[];
  step_index: number | null;
  sub_step: number | null;
  fold_id: number | null;
  artifact_type: string;
  class_name: string | null;
  depends_on: string[];
  dependencies: DependencyRecord[];
  /** Of a meta-model. */
  meta_config?: MetaConfig;
  format: string | null;
  format_version: string | null;
  size_bytes: number;
  params: Record<string, unknown>;
  metrics: Record<string, unknown>;
  tags: Record<string, string>;
  description: string | null;
  mode: string;
  role: string;
  code_commit: string | null;
  aliases: string[];
  pinned: boolean;
  run_params: Record<string, string>;
  run_metrics: Record<string, number | string>;
  run_tags: Record<string, string>;
  configuration: unknown;
  events: EventRow[];
  /** What of its bytes is known to be lost or changed. */
  damage: { digest: string; what: string; detail: string }[];
}

/** `known`: the id of its run, and all blobs that are damaged, where somebody who has many rows asked for them already. */
export function summarizeArtifact(
  store: Store,
  row: ArtifactRow,
  known: { run?: string; hurt?: ReadonlySet<number> } = {},
): ArtifactSummary {
  const hurt = known.hurt ?? damage.allWithDirectories(store.db);
  return {
    id: row.id,
    ref: artifactRef(row),
    run: known.run ?? runOf(store, row.run).id,
    name: row.name,
    version: row.version,
    type: row.type,
    class: row.class,
    kind: row.kind,
    dataset: row.dataset,
    path: row.path,
    size: row.size,
    files: row.files,
    digest: row.digest,
    state: row.state,
    damaged: row.blob !== null && hurt.has(row.blob),
    created_at: time(row.created_at) as string,
  };
}

export function summarizeRecord(store: Store, row: ArtifactRow): RecordSummary {
  const { id, ref, run, name, version, type, class: className, kind, dataset, size, digest, state } = summarizeArtifact(store, row);
  const place = {
    branch_path: JSON.parse(row.branch) as number[],
    step_index: row.step,
    sub_step: row.sub_step,
    fold_id: row.fold,
  };
  return { id, ref, run, name, version, type, class: className, kind, dataset, ...place, size, digest, state };
}

export function describeArtifact(store: Store, row: ArtifactRow): ArtifactRecord {
  const run = runOf(store, row.run);
  const dependencies = dependenciesOf(store, row);
  const meta = metaConfig(store, row);
  return {
    ...summarizeArtifact(store, row),
    uid: row.uid,
    artifact_id: row.id,
    content_hash: row.digest,
    pipeline_id: row.pipeline,
    branch_path: JSON.parse(row.branch) as number[],
    step_index: row.step,
    sub_step: row.sub_step,
    fold_id: row.fold,
    artifact_type: row.type,
    class_name: row.class,
    depends_on: [...new Set(dependencies.map((dependency) => dependency.id))],
    dependencies,
    ...(meta && { meta_config: meta }),
    format: row.format,
    format_version: row.format_version,
    size_bytes: row.size,
    params: JSON.parse(row.params) as Record<string, unknown>,
    metrics: JSON.parse(row.metrics) as Record<string, unknown>,
    tags: tags.of(store.db, "artifact", row.seq),
    description: row.description,
    mode: row.mode.toString(8).padStart(4, "0"),
    role: row.role,
    code_commit: row.code_commit,
    aliases: aliases.ofArtifact(store.db, row.seq),
    pinned: pins.of(store.db, row.seq) !== null,
    run_params: params.ofRun(store.db, row.run),
    run_metrics: latestMetrics(store, row.run),
    run_tags: tags.of(store.db, "run", row.run),
    configuration: JSON.parse(run.configuration),
    events: events.ofArtifact(store.db, row.seq),
    damage: row.blob === null ? [] : damage.of(store.db, row.blob),
  };
}

function dependenciesOf(store: Store, row: ArtifactRow): DependencyRecord[] {
  return edges.dependencies(store.db, row.seq).map(({ dependency, role, implicit, changed }) => {
    const artifact = artifacts.bySeq(store.db, dependency) as ArtifactRow;
    return { id: artifact.id, ref: artifactRef(artifact), role, implicit: implicit === 1, changed: changed === 1, state: artifact.state };
  });
}

/** JSON has no word for what is not finite: those are strings, as MLflow spells them. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/** The latest value of each metric of a run. */
export function latestMetrics(store: Store, run: number): Record<string, number | string> {
  return Object.fromEntries(metrics.latest(store.db, run).map(({ key, value }) => [key, jsonNumber(value)]));
}

export function runOf(store: Store, seq: number): RunRow {
  return runs.bySeq(store.db, seq) as RunRow;
}

/** As JSON shows a time; null for none. */
export function time(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
