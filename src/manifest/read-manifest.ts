import { readFileSync, statSync } from "node:fs";
import * as v from "valibot";
import { CofferError, reason } from "../domain/error.ts";
import { checkName, DEFAULT_DATASET } from "../domain/names.ts";
import { readCofferBlock } from "./coffer-block.ts";
import type { CofferBlock } from "./coffer-block.ts";
import { invalid, parseManifest } from "./parse-manifest.ts";
import { timeOf } from "./item-time.ts";
import { readItem } from "./read-item.ts";
import type { ReadItem } from "./read-item.ts";
import { readItemV1 } from "./read-item-v1.ts";

/** A manifest as its file says, checked; nothing was looked up yet. */
export interface ReadManifest {
  /** The file. */
  path: string;
  schema: "1.0" | "2.0";
  /** Of the run that it becomes: the manifest's own where that is a UUID, else one that is made of it and is always the same. */
  uid: string;
  pipeline: string | null;
  name: string | null;
  dataset: string;
  /** Milliseconds; undefined where it does not say. */
  createdAt: number | undefined;
  items: ReadItem[];
  /** Keys, with their values, that the store has no column for, or keeps less exactly. */
  extra: Record<string, unknown>;
  block: CofferBlock;
  /** Whole numbers that are too large to be kept exactly. */
  inexact: number;
}

const MAX_BYTES = 256 << 20;

const text = v.optional(v.nullable(v.string()));
const Top = v.looseObject({
  uid: text,
  pipeline_id: text,
  name: text,
  dataset: text,
  created_at: v.optional(v.nullable(v.union([v.string(), v.number()]))),
  metadata: v.optional(v.unknown()),
});

/**
 * Reads a manifest of schema 2.0, or of the one before, which has a bare list under `artifacts`.
 * @throws CofferError MANIFEST_INVALID: broken or half-written, of another version, or with items that say too little; with the place
 */
export function readManifest(path: string): ReadManifest {
  const { tree, inexact } = parseManifest(readText(path), path);
  const schema = schemaOf(tree, path);
  const top = v.safeParse(Top, tree);
  if (!top.success) throw invalid(path, `${v.getDotPath(top.issues[0]) ?? "it"}: ${top.issues[0].message}`, "see docs/manifest.md");
  const { uid, pipeline_id, name, dataset, created_at } = top.output;
  const createdAt = timeOf(created_at);
  const runId = runIdOf(uid ?? `manifest ${pipeline_id ?? ""} ${name ?? ""} ${JSON.stringify(tree)}`);
  const section = tree["artifacts"] as unknown[] | { items: unknown[] };
  const raw = Array.isArray(section) ? section : section.items;
  const context = { uid: runId, pipeline: pipeline_id ?? null };
  return {
    path,
    schema,
    uid: runId,
    pipeline: pipeline_id ?? null,
    name: name ?? null,
    dataset: checked(path, "dataset", () => checkName("dataset", dataset ?? DEFAULT_DATASET)),
    createdAt,
    items: raw.map((item, index) =>
      checked(path, schema === "2.0" ? `artifacts.items[${index}]` : `artifacts[${index}]`, () =>
        schema === "2.0" ? readItem(item, context) : readItemV1(item, context),
      ),
    ),
    extra: extraOf(tree, schema, runId, createdAt),
    block: checked(path, "coffer", () => readCofferBlock(tree["coffer"])),
    inexact,
  };
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Error("it is no file");
    if (stat.size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES >> 20} MiB`);
    bytes = readFileSync(path);
  } catch (error) {
    throw new CofferError("UNREADABLE", `${path} cannot be read: ${reason(error)}`, {
      hint: "check the path; nothing was stored",
      cause: error,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(path, "it is not UTF-8", "look whether this is the right file");
  }
}

/** By its word, or by its shape where it has none. */
function schemaOf(tree: Record<string, unknown>, path: string): "1.0" | "2.0" {
  const section = tree["artifacts"];
  const isMap = section !== null && typeof section === "object" && !Array.isArray(section);
  const said = tree["schema_version"] ?? (isMap ? (section as Record<string, unknown>)["schema_version"] : tree["version"]) ?? undefined;
  // a number where nobody quoted it
  const version = typeof said === "number" && Number.isInteger(said) ? `${said}.0` : said === undefined ? undefined : String(said);
  if (version !== undefined && version !== "1.0" && version !== "2.0")
    throw invalid(
      path,
      `it is of schema ${JSON.stringify(said)}, and this coffer reads 2.0 and 1.0`,
      "upgrade coffer, or write the manifest anew",
    );
  if (Array.isArray(section) && version !== "2.0") return "1.0";
  if (isMap && Array.isArray((section as Record<string, unknown>)["items"]) && version === "2.0") return "2.0";
  if (version === undefined && section === undefined)
    throw invalid(
      path,
      "it has neither schema_version nor artifacts",
      "look whether this is a manifest, and whether it was written to its end",
    );
  if (version === undefined) throw invalid(path, "it has no schema_version", 'write schema_version: "2.0"');
  throw invalid(
    path,
    version === "2.0" ? "artifacts.items is no list" : "artifacts is no list",
    "look whether the manifest was written to its end",
  );
}

/** What goes back where it came from at an export. */
function extraOf(
  tree: Record<string, unknown>,
  schema: ReadManifest["schema"],
  runId: string,
  createdAt: number | undefined,
): Record<string, unknown> {
  const { schema_version: _schema, artifacts, coffer: _coffer, uid, created_at, pipeline_id, name, dataset, metadata, ...others } = tree;
  const { schema_version: _inner, items: _items, ...foreign } = schema === "2.0" ? (artifacts as Record<string, unknown>) : {};
  // the schema's own word there: it is written as 2.0
  if (schema === "1.0") delete others["version"];
  return {
    ...(uid !== runId && { uid: uid ?? null }),
    ...((createdAt === undefined || new Date(createdAt).toISOString() !== created_at) && { created_at: created_at ?? null }),
    ...Object.fromEntries(Object.entries({ pipeline_id, name, dataset }).filter(([, value]) => value === null)),
    ...(metadata !== undefined && !isEmptyMap(metadata) && { metadata }),
    ...others,
    ...(Object.keys(foreign).length > 0 && { artifacts: foreign }),
  };
}

function isEmptyMap(value: unknown): boolean {
  return value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function runIdOf(uid: string): string {
  if (UUID.test(uid)) return uid;
  const hex = new Bun.CryptoHasher("sha256").update(uid).digest("hex");
  // the form that RFC 9562 leaves to each application
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function checked<T>(path: string, where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof v.ValiError) {
      const issue = error.issues[0] as v.BaseIssue<unknown>;
      const key = v.getDotPath(issue);
      throw invalid(path, `${where}${key === null ? "" : `.${key}`}: ${issue.message}`, "look whether the manifest was written to its end");
    }
    if (error instanceof CofferError) throw invalid(path, `${where}: ${error.message}`, error.hint ?? "see docs/manifest.md");
    throw error;
  }
}
