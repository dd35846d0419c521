import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as metaSources from "../../db/records/meta-sources.ts";
import type { Store } from "../../store/store.ts";
import type { MetaSources } from "../read/manifest-item.ts";

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
