import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as edges from "../db/edges.ts";
import * as metaSources from "../db/meta-sources.ts";
import * as metrics from "../db/metrics.ts";
import * as params from "../db/params.ts";
import type { RunRow } from "../db/runs.ts";
import * as tags from "../db/tags.ts";
import { DEFAULT_DATASET } from "../domain/names.ts";
import { sha256Of } from "../store/sha256.ts";
import type { Store } from "../store/store.ts";
import { fromForeignJson } from "./foreign-json.ts";
import { holdArtifacts } from "./hold-artifacts.ts";
import { manifestItem } from "./manifest-item.ts";
import type { MetaSources } from "./manifest-item.ts";
import type { Plain } from "./yaml.ts";

export interface Exported {
  manifest: { readonly [key: string]: Plain };
  artifacts: ArtifactRow[];
  /** Ids that its artifacts were made from and that are in other manifests. */
  elsewhere: string[];
}

/** What a meta-model is fed; undefined for everything else. */
export function metaOf(store: Store, artifact: ArtifactRow, idOf: (seq: number) => string): MetaSources | undefined {
  if (artifact.type !== "meta_model" && artifact.feature_columns === null) return undefined;
  const sources = metaSources.ofArtifact(store.db, artifact.seq);
  if (sources.length === 0 && artifact.feature_columns === null) return undefined;
  return {
    sources: sources.map(({ source, feature_index }) => ({ id: idOf(source), index: feature_index })),
    columns: artifact.feature_columns === null ? [] : (JSON.parse(artifact.feature_columns) as string[]),
  };
}

/**
 * A run and the artifacts of it that are in sight, as a manifest of schema 2.0. Digests are SHA-256, as other readers of the format expect: computed from the
 * bytes where the store does not have them yet. What it reads is held until the store is closed. `pathOf` says where the bytes are put, where that is not their own path.
 * @throws CofferError CORRUPT, UNREADABLE
 */
export async function exportManifest(store: Store, run: RunRow, pathOf?: (artifact: ArtifactRow) => string): Promise<Exported> {
  const made = holdArtifacts(store, run);
  const hashes = new Map<number, string>();
  for (const { seq, blob } of made) hashes.set(seq, `sha256:${await sha256Of(store, blob as number)}`);
  const own = new Set(made.map(({ seq }) => seq));
  const ids = new Map(made.map(({ seq, id }) => [seq, id]));
  const elsewhere = new Set<string>();
  const idOf = (seq: number): string => {
    const id = ids.get(seq) ?? artifacts.bySeq(store.db, seq)?.id ?? "";
    ids.set(seq, id);
    if (!own.has(seq)) elsewhere.add(id);
    return id;
  };
  const items: Plain[] = [];
  const blocks: Plain[] = [];
  for (const row of made) {
    // read again: hashing may have moved it to a blob with the same bytes
    const artifact = artifacts.bySeq(store.db, row.seq) ?? row;
    const itsEdges = edges.dependencies(store.db, artifact.seq);
    const dependsOn = [...new Set(itsEdges.map(({ dependency }) => idOf(dependency)))];
    const meta = metaOf(store, artifact, idOf);
    const path = pathOf?.(artifact);
    items.push(
      manifestItem(artifact, { contentHash: hashes.get(artifact.seq) as string, dependsOn, meta, ...(path !== undefined && { path }) }),
    );
    const more = itemBlockOf(store, run, artifact, path, roles(itsEdges, meta, idOf));
    if (more) blocks.push(more);
  }
  const extra = fromForeignJson(run.extra) as { readonly [key: string]: Plain };
  const { metadata, artifacts: section, ...others } = extra;
  const runBlock = blockOf(store, run);
  return {
    manifest: {
      schema_version: "2.0",
      uid: run.id,
      pipeline_id: run.pipeline ?? run.id,
      name: run.name ?? run.id,
      dataset: datasetOf(run),
      created_at: new Date(run.started_at).toISOString(),
      metadata: metadata ?? {},
      artifacts: { schema_version: "2.0", items, ...(section as object | undefined) },
      ...others,
      coffer: runBlock || blocks.length > 0 ? { run: runBlock, artifacts: blocks.length > 0 ? blocks : undefined } : undefined,
    },
    artifacts: made,
    elsewhere: [...elsewhere],
  };
}

/** Roles that do not follow from the rest: a meta-model's sources are that, everything else is an input. */
function roles(
  its: readonly { dependency: number; role: string }[],
  meta: MetaSources | undefined,
  idOf: (seq: number) => string,
): { to: string; role: string }[] {
  const sources = new Set(meta?.sources.map(({ id }) => id));
  return its
    .map(({ dependency, role }) => ({ to: idOf(dependency), role }))
    .filter(({ to, role }) => role !== "input" && !(role === "source" && sources.has(to)));
}

/** What is not as a reader of the format alone would take it. */
function itemBlockOf(
  store: Store,
  run: RunRow,
  artifact: ArtifactRow,
  path: string | undefined,
  edgesWithRoles: { to: string; role: string }[],
): Plain | undefined {
  const its = tags.of(store.db, "artifact", artifact.seq);
  const measured = JSON.parse(artifact.metrics) as { readonly [key: string]: Plain };
  const isOfRun = artifact.name === null && artifact.id.includes("/");
  const block = {
    name: isOfRun || artifact.name === artifact.id ? undefined : artifact.name,
    dataset: datasetOf(artifact) === datasetOf(run) ? undefined : datasetOf(artifact),
    path: path === undefined || path === artifact.path ? undefined : artifact.path,
    sub_step: artifact.sub_step ?? undefined,
    kind: artifact.kind === "tree" ? "tree" : undefined,
    files: artifact.kind === "tree" ? artifact.files : undefined,
    mode: artifact.mode === (artifact.kind === "tree" ? 0o755 : 0o644) ? undefined : artifact.mode,
    description: artifact.description ?? undefined,
    metrics: Object.keys(measured).length > 0 ? measured : undefined,
    tags: Object.keys(its).length > 0 ? its : undefined,
    code_commit: artifact.code_commit ?? undefined,
    edges: edgesWithRoles.length > 0 ? edgesWithRoles : undefined,
  };
  return Object.values(block).some((value) => value !== undefined)
    ? { artifact_id: artifact.id, version: artifact.version, ...block }
    : undefined;
}

function datasetOf({ dataset }: { dataset: string | null }): string {
  return dataset ?? DEFAULT_DATASET;
}

function blockOf(store: Store, run: RunRow): Plain {
  const its = {
    params: params.ofRun(store.db, run.seq),
    tags: tags.of(store.db, "run", run.seq),
    metrics: Object.fromEntries(metrics.latest(store.db, run.seq).map(({ key, value }) => [key, value])),
  };
  const filled = Object.fromEntries(Object.entries(its).filter(([, values]) => Object.keys(values).length > 0)) as { [key: string]: Plain };
  const own =
    run.kind === "import"
      ? {}
      : {
          kind: run.kind,
          state: run.state,
          ended_at: run.ended_at === null ? null : new Date(run.ended_at).toISOString(),
          ...(run.code_commit !== null && { code_commit: run.code_commit }),
        };
  const block = { ...own, ...filled };
  return Object.keys(block).length > 0 ? block : undefined;
}
