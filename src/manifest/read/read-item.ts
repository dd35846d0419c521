import * as v from "valibot";
import { ARTIFACT_TYPES } from "../../domain/artifact-type.ts";
import type { ArtifactType } from "../../domain/artifact-type.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { parseExecutionPath } from "../../domain/execution-path.ts";
import type { ExecutionPath } from "../../domain/execution-path.ts";
import { checkArtifactName, checkArtifactPath } from "../../domain/names.ts";
import { timeOf } from "./item-time.ts";
import type { MetaSources } from "./manifest-item.ts";

/** One record of a manifest, checked. */
export interface ReadItem {
  id: string;
  /** What the id says, where it is one of a step. */
  step: ExecutionPath | undefined;
  /** As its run knows it: where the id has no name of its own. */
  name: string | null;
  /** Undefined where the manifest does not say. */
  digest: Digest | undefined;
  path: string;
  /** Where its bytes lie, from one of the places that a manifest tree has for them. */
  bytesAt: string;
  type: ArtifactType;
  class: string | null;
  pipeline: string | null;
  branch: number[];
  stepIndex: number | null;
  fold: number | null;
  dependsOn: string[];
  format: string | null;
  formatVersion: string | null;
  size: number | undefined;
  createdAt: number | undefined;
  params: Record<string, unknown>;
  version: number | undefined;
  meta: MetaSources | undefined;
  /** Its keys as they stand there; empty for one of schema 1, which is not written back. */
  raw: Record<string, unknown>;
}

const text = v.optional(v.nullable(v.string()), null);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const number = v.optional(v.nullable(count), null);

/** Numbers that follow must have room, in every program that counts them. */
const MAX_VERSION = 2 ** 31 - 1;
export const version = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_VERSION));

/** What a meta-model is fed, in any order. */
export const SourceModels = v.array(v.looseObject({ artifact_id: v.string(), feature_index: v.optional(count) }));

/** What every writer of the format writes may be null, but not missing: that an item has lost its end shows in its last keys. */
const Item = v.looseObject({
  artifact_id: v.string(),
  content_hash: v.nullable(v.string()),
  path: v.string(),
  pipeline_id: text,
  branch_path: v.optional(v.nullable(v.array(count)), null),
  step_index: number,
  fold_id: number,
  artifact_type: v.nullable(v.string()),
  class_name: text,
  depends_on: v.nullable(v.array(v.string())),
  format: text,
  format_version: v.optional(v.nullable(v.union([v.string(), v.number()])), null),
  size_bytes: number,
  created_at: v.optional(v.unknown()),
  params: v.nullable(
    v.custom<Record<string, unknown>>(
      (value) => value !== null && typeof value === "object" && !Array.isArray(value),
      "it should hold keys",
    ),
  ),
  version: v.nullable(version),
  meta_config: v.optional(
    v.nullable(
      v.looseObject({
        source_models: v.nullable(SourceModels),
        feature_columns: v.nullable(v.array(v.string())),
      }),
    ),
    null,
  ),
});

/** @throws ValiError, CofferError NAME_INVALID, PATH_INVALID, MANIFEST_INVALID */
export function readItem(raw: unknown, context: { uid: string; pipeline: string | null }): ReadItem {
  const item = v.parse(Item, raw);
  if (item.artifact_type === "meta_model" && item.meta_config === null)
    throw new CofferError("MANIFEST_INVALID", `${item.artifact_id} is a meta-model without meta_config`, {
      hint: "look whether the manifest was written to its end",
    });
  const { id, step, name } = readId(item.artifact_id, context.uid);
  const path = checkArtifactPath(item.path.replace(/^\.\//, ""));
  return {
    id,
    step,
    name,
    digest: readDigest(item.content_hash),
    path,
    bytesAt: path,
    type: (ARTIFACT_TYPES as readonly string[]).includes(item.artifact_type ?? "") ? (item.artifact_type as ArtifactType) : "file",
    class: item.class_name,
    pipeline: step?.pipeline ?? item.pipeline_id ?? context.pipeline,
    branch: step ? [...step.branch] : (item.branch_path ?? []),
    stepIndex: step?.step ?? item.step_index,
    fold: step ? step.fold : item.fold_id,
    dependsOn: item.depends_on ?? [],
    format: item.format,
    formatVersion: item.format_version === null ? null : String(item.format_version),
    size: item.size_bytes ?? undefined,
    createdAt: timeOf(item.created_at),
    // as they stand there: valibot leaves out keys such as __proto__
    params: ((raw as Record<string, unknown>)["params"] as Record<string, unknown> | null | undefined) ?? {},
    version: item.version ?? undefined,
    meta: item.meta_config === null ? undefined : metaOf(item.meta_config),
    raw: raw as Record<string, unknown>,
  };
}

/** An execution-path id, `<uid>/<path>` of an artifact that belongs to its run, or a name. */
function readId(id: string, uid: string): Pick<ReadItem, "id" | "step" | "name"> {
  if (!id.startsWith(`${uid}/`)) return { id, step: readStep(id), name: id };
  checkArtifactPath(id.slice(uid.length + 1));
  return { id, step: undefined, name: null };
}

/** What an id says of a step; undefined where it is a name. @throws CofferError NAME_INVALID */
export function readStep(id: string): ExecutionPath | undefined {
  checkArtifactName(id);
  try {
    return parseExecutionPath(id);
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    return undefined;
  }
}

/** With its algorithm, or 64 hex digits of SHA-256 alone. */
export function readDigest(text: string | null): Digest | undefined {
  if (text === null || text === "") return undefined;
  const found = /^(?:(blake3|sha256):)?([0-9a-f]{64})$/i.exec(text);
  if (!found)
    throw new CofferError("MANIFEST_INVALID", `content_hash is no digest: ${text.slice(0, 80)}`, {
      hint: "write sha256: and 64 hex digits",
    });
  return { algorithm: (found[1]?.toLowerCase() ?? "sha256") as Digest["algorithm"], hex: (found[2] as string).toLowerCase() };
}

function metaOf(config: NonNullable<v.InferOutput<typeof Item>["meta_config"]>): MetaSources {
  return { sources: readSources(config.source_models ?? []), columns: checkColumns(config.feature_columns ?? []) };
}

/** In the order of their features. @throws CofferError MANIFEST_INVALID where two have one number */
export function readSources(models: v.InferOutput<typeof SourceModels>): { id: string; index: number }[] {
  const sources = models
    .map((source, place) => ({ id: source.artifact_id, index: source.feature_index ?? place }))
    .sort((one, other) => one.index - other.index);
  const twice = sources.find(({ index }, place) => index === sources[place - 1]?.index);
  if (twice)
    throw new CofferError("MANIFEST_INVALID", `two sources have the feature_index ${twice.index}`, {
      hint: "number them from 0, each once",
    });
  return sources;
}

/** Columns are what features are found by. @throws CofferError MANIFEST_INVALID */
export function checkColumns(columns: readonly string[]): string[] {
  const seen = new Set<string>();
  const bad = columns.find((column) => column === "" || seen.size === seen.add(column).size);
  if (bad !== undefined)
    throw new CofferError("MANIFEST_INVALID", bad === "" ? "a feature column has no name" : `the feature column “${bad}” is there twice`, {
      hint: "give each column a name of its own",
    });
  return [...columns];
}
