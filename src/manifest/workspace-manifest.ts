import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ARTIFACT_TYPES } from "../domain/artifact-type.ts";
import { reason } from "../domain/error.ts";
import { parseExecutionPath } from "../domain/execution-path.ts";
import type { ExecutionPath } from "../domain/execution-path.ts";
import { checkArtifactName, checkArtifactPath } from "../domain/names.ts";

/** What a script says of one of its outputs. */
export interface ManifestItem {
  /** As the script calls it; an execution-path id, or a name. */
  id: string;
  step: ExecutionPath | undefined;
  /** Within the workspace. */
  path: string;
  type: (typeof ARTIFACT_TYPES)[number];
  class: string | undefined;
  dependsOn: string[];
  format: string | undefined;
  formatVersion: string | undefined;
  params: Record<string, unknown>;
  /** Of a meta-model: the ids of its sources, in the order of their features. */
  sourceIds: string[];
  /** One for each source; undefined where the script leaves their names to us. */
  featureColumns: string[] | undefined;
  /** Hex digits of SHA-256, where the script gives them. */
  sha256: string | undefined;
  /** Keys that the format does not have. */
  extra: Record<string, unknown>;
}

const KEYS = new Set(
  "artifact_id content_hash path pipeline_id branch_path step_index fold_id artifact_type class_name depends_on format format_version size_bytes created_at params version meta_config".split(
    " ",
  ),
);

const optionalText = v.optional(v.nullable(v.string()));
const MetaConfig = v.looseObject({
  source_models: v.array(
    v.looseObject({ artifact_id: v.string(), feature_index: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))) }),
  ),
  feature_columns: v.optional(v.nullable(v.array(v.string()))),
});
const Item = v.looseObject({
  artifact_id: v.string(),
  path: v.string(),
  artifact_type: v.optional(v.picklist(ARTIFACT_TYPES), "file"),
  class_name: optionalText,
  depends_on: v.optional(v.nullable(v.array(v.string()))),
  format: optionalText,
  format_version: optionalText,
  params: v.optional(v.nullable(v.record(v.string(), v.unknown()))),
  content_hash: optionalText,
  meta_config: v.optional(v.nullable(MetaConfig)),
});
const Manifest = v.looseObject({ schema_version: v.literal("2.0"), artifacts: v.looseObject({ items: v.array(v.unknown()) }) });

const MAX_BYTES = 64 << 20;

/**
 * Reads `manifest.yaml` of a workspace, where it is one of schema 2.0 with `artifacts.items`: the way for a script to say more of its outputs. Any other file
 * of that name is an ordinary output: undefined. An item that cannot be taken is a sentence in `problems`.
 */
export function readWorkspaceManifest(workspace: string): { items: ManifestItem[]; problems: string[] } | undefined {
  const path = join(workspace, "manifest.yaml");
  let parsed: unknown;
  try {
    const stat = lstatSync(path);
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined;
    parsed = Bun.YAML.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
  const manifest = v.safeParse(Manifest, parsed);
  if (!manifest.success) return undefined;
  const items: ManifestItem[] = [];
  const problems: string[] = [];
  for (const [index, raw] of manifest.output.artifacts.items.entries()) {
    try {
      items.push(itemOf(raw));
    } catch (error) {
      problems.push(`manifest.yaml, item ${index + 1}: ${reason(error)}`);
    }
  }
  return { items, problems };
}

function itemOf(raw: unknown): ManifestItem {
  const item = v.parse(Item, raw);
  const isPath = /^[^:@]+(:[0-9.]+)+:(?:all|[0-9]+)$/.test(item.artifact_id);
  if (!isPath) checkArtifactName(item.artifact_id);
  return {
    id: item.artifact_id,
    step: isPath ? parseExecutionPath(item.artifact_id) : undefined,
    path: checkArtifactPath(item.path.replace(/^\.\//, "")),
    type: item.artifact_type,
    class: item.class_name ?? undefined,
    dependsOn: item.depends_on ?? [],
    format: item.format ?? undefined,
    formatVersion: item.format_version ?? undefined,
    params: item.params ?? {},
    sourceIds: (item.meta_config?.source_models ?? [])
      .map((source, place) => ({ id: source.artifact_id, index: source.feature_index ?? place }))
      .sort((one, other) => one.index - other.index)
      .map(({ id }) => id),
    featureColumns: item.meta_config?.feature_columns ?? undefined,
    sha256: /^sha256:([0-9a-f]{64})$/.exec(item.content_hash ?? "")?.[1],
    extra: Object.fromEntries(Object.entries(item).filter(([key]) => !KEYS.has(key))),
  };
}
