import { basename } from "node:path";
import * as v from "valibot";
import { ARTIFACT_TYPES, guessArtifactType } from "../../domain/artifact-type.ts";
import type { ArtifactType } from "../../domain/artifact-type.ts";
import { checkArtifactPath } from "../../domain/names.ts";
import { timeOf } from "./item-time.ts";
import { readDigest } from "./read-item.ts";
import type { ReadItem } from "./read-item.ts";

const text = v.optional(v.nullable(v.string()), null);
const count = v.optional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), null);

const Item = v.looseObject({
  name: text,
  path: text,
  hash: text,
  step: v.optional(v.nullable(v.union([v.string(), v.number()])), null),
  format: text,
  format_version: text,
  size: count,
  size_bytes: count,
  saved_at: v.optional(v.unknown()),
  created_at: v.optional(v.unknown()),
  type: text,
  artifact_type: text,
  class_name: text,
  params: v.optional(v.unknown()),
});
const KNOWN = new Set(Object.keys(Item.entries));

/**
 * One of the bare list of schema 1: `name`, `path`, `hash`, `step`, `format`, `size`, `saved_at`. It has no id, so it belongs to its run, under its name.
 * @throws ValiError, CofferError PATH_INVALID, MANIFEST_INVALID
 */
export function readItemV1(raw: unknown, context: { uid: string; pipeline: string | null }): ReadItem {
  const item = v.parse(Item, raw);
  const at = checkArtifactPath((item.path ?? item.name ?? "").replace(/^\.\//, ""));
  const name = checkArtifactPath(item.name ?? basename(at));
  const said = item.artifact_type ?? item.type;
  const step = item.step === null || !/^[0-9]{1,9}$/.test(String(item.step)) ? null : Number(item.step);
  // a step that is no number has no column
  const others = Object.entries(item).filter(([key]) => !KNOWN.has(key) || (key === "step" && step === null && item.step !== null));
  return {
    id: `${context.uid}/${name}`,
    step: undefined,
    name: null,
    digest: readDigest(item.hash),
    path: name,
    bytesAt: at,
    type: (ARTIFACT_TYPES as readonly string[]).includes(said ?? "") ? (said as ArtifactType) : guessArtifactType(name),
    class: item.class_name,
    pipeline: context.pipeline,
    branch: [],
    stepIndex: step,
    fold: null,
    dependsOn: [],
    format: item.format,
    formatVersion: item.format_version,
    size: item.size ?? item.size_bytes ?? undefined,
    createdAt: timeOf(item.saved_at ?? item.created_at),
    params: item.params !== null && typeof item.params === "object" && !Array.isArray(item.params) ? { ...item.params } : {},
    version: undefined,
    meta: undefined,
    raw: Object.fromEntries(others),
  };
}
