import type { ArtifactRow } from "../../db/records/artifacts.ts";
import { BLOCK_REST, fromForeignJson } from "./foreign-json.ts";
import type { Plain } from "./yaml.ts";

/** The keys of an item, in their order; a meta-model has `meta_config` behind them. */
export const ITEM_KEYS = [
  "artifact_id",
  "content_hash",
  "path",
  "pipeline_id",
  "branch_path",
  "step_index",
  "fold_id",
  "artifact_type",
  "class_name",
  "depends_on",
  "format",
  "format_version",
  "size_bytes",
  "created_at",
  "params",
  "version",
] as const;

export interface MetaSources {
  sources: readonly { id: string; index: number }[];
  columns: readonly string[];
}

/** An item of a manifest of schema 2.0: its sixteen keys, and those that came with an import. */
export function manifestItem(
  artifact: Pick<
    ArtifactRow,
    | "id"
    | "path"
    | "pipeline"
    | "branch"
    | "step"
    | "fold"
    | "type"
    | "class"
    | "format"
    | "format_version"
    | "size"
    | "created_at"
    | "params"
    | "version"
    | "extra"
  >,
  more: { contentHash: string; dependsOn: readonly string[]; meta: MetaSources | undefined; path?: string },
): Record<string, Plain> {
  const { [BLOCK_REST]: _, ...extra } = fromForeignJson(artifact.extra) as Record<string, Plain>;
  return {
    artifact_id: artifact.id,
    content_hash: more.contentHash,
    path: more.path ?? artifact.path,
    pipeline_id: artifact.pipeline,
    branch_path: JSON.parse(artifact.branch) as number[],
    step_index: artifact.step,
    fold_id: artifact.fold,
    artifact_type: artifact.type,
    class_name: artifact.class,
    depends_on: more.dependsOn,
    format: artifact.format,
    format_version: artifact.format_version,
    size_bytes: artifact.size,
    created_at: new Date(artifact.created_at).toISOString(),
    params: JSON.parse(artifact.params) as Plain,
    version: artifact.version,
    ...(more.meta && {
      meta_config: {
        source_models: more.meta.sources.map(({ id, index }) => ({ artifact_id: id, feature_index: index })),
        feature_columns: more.meta.columns,
      },
    }),
    ...extra,
  };
}
