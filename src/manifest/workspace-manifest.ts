import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ARTIFACT_TYPES } from "../domain/artifact-type.ts";
import { reason } from "../domain/error.ts";
import type { ExecutionPath } from "../domain/execution-path.ts";
import { checkArtifactPath } from "../domain/names.ts";
import { ITEM_KEYS } from "./manifest-item.ts";
import { parseManifest } from "./parse-manifest.ts";
import { readSources, readStep, SourceModels } from "./read-item.ts";

/** What a script says of one of its outputs. */
export interface ScriptItem {
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

const KEYS = new Set<string>([...ITEM_KEYS, "meta_config"]);

const optionalText = v.optional(v.nullable(v.string()));
const MetaConfig = v.looseObject({ source_models: SourceModels, feature_columns: v.optional(v.nullable(v.array(v.string()))) });
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
export function readWorkspaceManifest(workspace: string): { items: ScriptItem[]; problems: string[] } | undefined {
  const path = join(workspace, "manifest.yaml");
  let parsed: unknown;
  try {
    const stat = lstatSync(path);
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined;
    parsed = parseManifest(readFileSync(path, "utf8"), path).tree;
  } catch {
    return undefined;
  }
  const manifest = v.safeParse(Manifest, parsed);
  if (!manifest.success) return undefined;
  const items: ScriptItem[] = [];
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

function itemOf(raw: unknown): ScriptItem {
  const item = v.parse(Item, raw);
  return {
    id: item.artifact_id,
    step: readStep(item.artifact_id),
    path: checkArtifactPath(item.path.replace(/^\.\//, "")),
    type: item.artifact_type,
    class: item.class_name ?? undefined,
    dependsOn: item.depends_on ?? [],
    format: item.format ?? undefined,
    formatVersion: item.format_version ?? undefined,
    params: item.params ?? {},
    sourceIds: readSources(item.meta_config?.source_models ?? []).map(({ id }) => id),
    featureColumns: item.meta_config?.feature_columns ?? undefined,
    sha256: /^sha256:([0-9a-f]{64})$/.exec(item.content_hash ?? "")?.[1],
    extra: Object.fromEntries(Object.entries(item).filter(([key]) => !KEYS.has(key))),
  };
}
