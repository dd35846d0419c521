import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ARTIFACT_TYPES } from "../../domain/artifact-type.ts";
import type { Digest } from "../../domain/digest.ts";
import { reason } from "../../domain/error.ts";
import type { ExecutionPath } from "../../domain/execution-path.ts";
import { checkArtifactPath, checkName } from "../../domain/names.ts";
import { ITEM_KEYS } from "../read/manifest-item.ts";
import { inexactWords, openManifest, TooMuch } from "../read/parse-manifest.ts";
import { checkColumns, readDigest, readSources, readStep, SourceModels } from "../read/read-item.ts";

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
  /** Where the script gives it: what the bytes must have. */
  digest: Digest | undefined;
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
const Manifest = v.looseObject({
  schema_version: v.literal("2.0"),
  artifacts: v.looseObject({ schema_version: v.optional(v.literal("2.0")), items: v.array(v.unknown()) }),
});

const MAX_BYTES = 64 << 20;

/** What a script says of its outputs. */
export interface WorkspaceManifest {
  items: ScriptItem[];
  /** A sentence for each item that cannot be taken. */
  problems: string[];
  /** What else is to be said of it. */
  notes: string[];
  /** It could not be read as a whole, and is an ordinary output. */
  isOutput: boolean;
}

/**
 * Reads `manifest.yaml` of a workspace, where it is one of schema 2.0 with `artifacts.items`: the way for a script to say more of its outputs. Any other file
 * of that name is an ordinary output: undefined.
 */
export function readWorkspaceManifest(workspace: string): WorkspaceManifest | undefined {
  const path = join(workspace, "manifest.yaml");
  let text: string;
  try {
    const stat = lstatSync(path);
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined;
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    const { tree, checked, inexact } = openManifest(text, path);
    const manifest = v.safeParse(Manifest, tree);
    if (!manifest.success) return undefined;
    const read = readItems(manifest.output.artifacts.items, checked);
    const words = inexactWords(inexact());
    return { ...read, notes: words === undefined ? [] : [`manifest.yaml: ${words}`], isOutput: false };
  } catch (error) {
    if (!(error instanceof TooMuch && /^schema_version: *["']2\.0["']/m.test(text))) return undefined;
    return { items: [], problems: [`manifest.yaml: ${error.message}`], notes: [], isOutput: true };
  }
}

/** What is wrong with a name may be its length, or what a terminal would do with it. */
function shown(name: string): string {
  return /^[\x21-\x7e]{1,80}$/.test(name) ? name : JSON.stringify(name).slice(0, 80);
}

/** One that cannot be taken costs no other. */
function readItems(given: readonly unknown[], checked: (part: unknown) => unknown): Pick<WorkspaceManifest, "items" | "problems"> {
  const items: ScriptItem[] = [];
  const problems: string[] = [];
  for (const [index, raw] of given.entries()) {
    try {
      items.push(itemOf(checked(raw)));
    } catch (error) {
      const { artifact_id: id, path } = (raw ?? {}) as Record<string, unknown>;
      const which = [id, path].find((one) => typeof one === "string");
      problems.push(`manifest.yaml, item ${index + 1}${which === undefined ? "" : ` (${shown(which)})`}: ${reason(error)}`);
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
    class: typeof item.class_name === "string" ? checkName("class", item.class_name) : undefined,
    dependsOn: item.depends_on ?? [],
    format: item.format ?? undefined,
    formatVersion: item.format_version ?? undefined,
    params: item.params ?? {},
    sourceIds: readSources(item.meta_config?.source_models ?? []).map(({ id }) => id),
    featureColumns: item.meta_config?.feature_columns ? checkColumns(item.meta_config.feature_columns) : undefined,
    digest: readDigest(item.content_hash ?? null),
    extra: Object.fromEntries(Object.entries(item).filter(([key]) => !KEYS.has(key))),
  };
}
