import { readFileSync, statSync } from "node:fs";
import * as v from "valibot";
import { CofferError, reason } from "../../domain/error.ts";
import { checkName, DEFAULT_DATASET } from "../../domain/names.ts";
import { readCofferBlock } from "./coffer-block.ts";
import type { CofferBlock, ItemBlock } from "./coffer-block.ts";
import { BLOCK_REST } from "./foreign-json.ts";
import { invalid, parseManifest } from "./parse-manifest.ts";
import { timeOf } from "./item-time.ts";
import { readItem } from "./read-item.ts";
import type { ReadItem } from "./read-item.ts";
import { readItemV1 } from "./read-item-v1.ts";
import { redactManifest } from "../export/redact-manifest.ts";

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
  /** Of what was taken out of sight where the manifest comes from: their bytes are not in it. */
  gone: { item: ReadItem; block: ItemBlock }[];
  /** Keys, with their values, that the store has no column for, or keeps less exactly. */
  extra: Record<string, unknown>;
  block: CofferBlock;
  /** Numbers that are too large to be kept exactly. */
  inexact: number;
  /** Something in it looked like a secret, and was left out. */
  isRedacted: boolean;
}

const MAX_BYTES = 64 << 20;
const MAX_ITEMS = 100_000;

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
 * Reads a manifest of schema 2.0, or of the one before, which has a bare list under `artifacts`. What looks like a secret is left out, `secrets` above all.
 * @throws CofferError MANIFEST_INVALID: broken or half-written, of another version, or with items that say too little; with the place
 */
export function readManifest(path: string, secrets: readonly string[]): ReadManifest {
  const { tree: given, inexact } = parseManifest(readText(path), path);
  const schema = schemaOf(given, path);
  const tree = redactManifest(given, secrets);
  const top = v.safeParse(Top, tree);
  if (!top.success) throw invalid(path, `${v.getDotPath(top.issues[0]) ?? "it"}: ${top.issues[0].message}`, "see docs/manifest.md");
  const { uid, pipeline_id, name, dataset, created_at } = top.output;
  const createdAt = timeOf(created_at);
  const runId = runIdOf(uid ?? `manifest ${pipeline_id ?? ""} ${name ?? ""} ${JSON.stringify(given)}`);
  const section = tree["artifacts"] as unknown[] | { items: unknown[] };
  const raw = Array.isArray(section) ? section : section.items;
  if (raw.length > MAX_ITEMS)
    throw invalid(
      path,
      `it has ${raw.length} records, and no more than ${MAX_ITEMS} are taken at once`,
      "cut it into several, each with its own uid",
    );
  const block = checked(path, "coffer", () => readCofferBlock(tree["coffer"]));
  const pipeline = block.run.none.has("pipeline") ? null : (pipeline_id ?? null);
  const context = { uid: runId, pipeline };
  const readOne = schema === "2.0" ? readItem : readItemV1;
  const place = schema === "2.0" ? "artifacts.items" : "artifacts";
  return {
    path,
    schema,
    uid: runId,
    pipeline,
    name: block.run.none.has("name") ? null : (name ?? null),
    dataset: checked(path, "dataset", () => checkName("dataset", dataset ?? DEFAULT_DATASET)),
    createdAt,
    items: raw.map((item, index) => checked(path, `${place}[${index}]`, () => readOne(item, context))),
    gone: block.gone.map(({ record, block: its }, index) => ({
      item: checked(path, `coffer.gone[${index}].record`, () => readItem(record, context)),
      block: its,
    })),
    extra: extraOf(tree, schema, runId, createdAt, block),
    block,
    inexact,
    isRedacted: tree !== given,
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
  const inner = isMap ? (section as Record<string, unknown>)["schema_version"] : undefined;
  const version = versionOf(tree["schema_version"] ?? inner ?? (isMap ? undefined : tree["version"]), path);
  if (inner !== undefined && versionOf(inner, path) !== version)
    throw invalid(
      path,
      `artifacts.schema_version is ${JSON.stringify(inner)}, and it is of schema ${version}`,
      "write one version at both places",
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

/** A number where nobody quoted it. */
function versionOf(said: unknown, path: string): "1.0" | "2.0" | undefined {
  if (said === undefined || said === null) return undefined;
  const version = typeof said === "number" && Number.isInteger(said) ? `${said}.0` : said;
  if (version === "1.0" || version === "2.0") return version;
  throw invalid(
    path,
    `it is of schema ${JSON.stringify(said)}, and this coffer reads 2.0 and 1.0`,
    "upgrade coffer, or write the manifest anew",
  );
}

/** What goes back where it came from at an export. */
function extraOf(
  tree: Record<string, unknown>,
  schema: ReadManifest["schema"],
  runId: string,
  createdAt: number | undefined,
  block: CofferBlock,
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
    ...(Object.keys(block.rest).length > 0 && { [BLOCK_REST]: block.rest }),
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
