import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import { goneOrigins } from "../../db/records/exported-runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { sha256Of } from "../../store/sha256.ts";
import type { Store } from "../../store/store.ts";
import { blockKey } from "../read/coffer-block.ts";
import { datasetOf, itemBlock, runBlock } from "./export-block.ts";
import { OriginsExporter } from "./exported-origins.ts";
import { BLOCK_REST, fromForeignJson } from "../read/foreign-json.ts";
import { holdArtifacts } from "../import/hold-artifacts.ts";
import { metaOf } from "./meta-of.ts";
import { manifestItem } from "../read/manifest-item.ts";
import type { Plain } from "../read/yaml.ts";

type Values = { readonly [key: string]: Plain };

export interface Exported {
  manifest: Values;
  artifacts: ArtifactRow[];
  /** Ids that its artifacts were made from and that are in other manifests. */
  elsewhere: string[];
}

/**
 * A run and the artifacts of it that are in sight, as a manifest of schema 2.0. Digests are SHA-256, as other readers of the format expect: computed from the
 * bytes where the store does not have them yet. What it reads is held until the store is closed. `pathOf` says where the bytes are put, where that is not their own path.
 * What is out of sight and something was made from is told of, so that whoever imports it knows what that was.
 * @throws CofferError CORRUPT, UNREADABLE
 */
export async function exportManifest(store: Store, run: RunRow, pathOf?: (artifact: ArtifactRow) => string): Promise<Exported> {
  const made = holdArtifacts(store, run);
  const hashes = new Map<number, string>();
  for (const { seq, blob } of made) hashes.set(seq, `sha256:${await sha256Of(store, blob as number)}`);
  // read again: hashing may have moved them to blobs with the same bytes
  const rows = made.map((row) => artifacts.bySeq(store.db, row.seq) ?? row);
  const gone = goneOrigins(store.db, run.seq);
  const own = new Map([...rows, ...gone].map((row) => [row.seq, row]));
  const elsewhere = new Map<number, ArtifactRow>();
  const rowOf = (seq: number): ArtifactRow => {
    const row = own.get(seq) ?? elsewhere.get(seq) ?? (artifacts.bySeq(store.db, seq) as ArtifactRow);
    if (!own.has(seq)) elsewhere.set(seq, row);
    return row;
  };
  const origins = new OriginsExporter(store, [...own.values()], rowOf);
  const keys = Map.groupBy(own.values(), ({ id, version }) => blockKey(id, version));
  const tell = (artifact: ArtifactRow, contentHash: string, path?: string): { item: Plain; block: Values | undefined } => {
    const { dependsOn, marks } = origins.of(artifact);
    const meta = metaOf(store, artifact, (seq) => rowOf(seq).id);
    const isAmbiguous = (keys.get(blockKey(artifact.id, artifact.version))?.length ?? 0) > 1;
    return {
      item: {
        ...manifestItem(artifact, { contentHash, dependsOn, meta, ...(path !== undefined && { path }) }),
        ...sizeOf(artifact, contentHash),
      },
      block: itemBlock(store, run, artifact, { path, marks, isAmbiguous }),
    };
  };
  const told = rows.map((artifact) => tell(artifact, hashes.get(artifact.seq) as string, pathOf?.(artifact)));
  const blocks = told.flatMap(({ block }) => block ?? []);
  const tombstones = gone.map((artifact) => {
    const { item, block } = tell(artifact, artifact.digest);
    return { ...(block ?? { artifact_id: artifact.id, version: artifact.version, uid: artifact.uid }), record: item };
  });
  const { metadata, artifacts: section, [BLOCK_REST]: rest, ...others } = fromForeignJson(run.extra) as Values;
  const coffer = {
    ...(rest as Values | undefined),
    run: runBlock(store, run),
    artifacts: blocks.length > 0 ? blocks : undefined,
    gone: tombstones.length > 0 ? tombstones : undefined,
  };
  return {
    manifest: {
      schema_version: "2.0",
      uid: run.id,
      pipeline_id: run.pipeline ?? run.id,
      name: run.name ?? run.id,
      dataset: datasetOf(run),
      created_at: new Date(run.started_at).toISOString(),
      metadata: metadata ?? {},
      artifacts: { schema_version: "2.0", items: told.map(({ item }) => item), ...(section as object | undefined) },
      ...others,
      coffer: Object.values(coffer).some((value) => value !== undefined) ? coffer : undefined,
    },
    artifacts: made,
    elsewhere: [...new Set([...elsewhere.values()].map(({ id }) => id))],
  };
}

const NOTHING = `sha256:${new Bun.CryptoHasher("sha256").update("").digest("hex")}`;

/** Bytes that are not there, of a record that does not say how many they are. */
function sizeOf({ kind, size }: ArtifactRow, contentHash: string): { size_bytes: null } | undefined {
  return kind === "file" && size === 0 && contentHash.startsWith("sha256:") && contentHash !== NOTHING ? { size_bytes: null } : undefined;
}
