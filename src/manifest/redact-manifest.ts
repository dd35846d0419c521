import { redactValue } from "../domain/redact.ts";

type Values = Record<string, unknown>;

/** What things are found by: a part of it that looks like a secret is still what it is. */
const NAMES = {
  top: new Set(["schema_version", "uid", "pipeline_id", "dataset", "created_at"]),
  section: new Set(["schema_version"]),
  item: new Set([
    "artifact_id",
    "content_hash",
    "path",
    "name",
    "hash",
    "pipeline_id",
    "branch_path",
    "step_index",
    "fold_id",
    "artifact_type",
    "depends_on",
    "size_bytes",
    "created_at",
    "version",
    "meta_config",
  ]),
  block: new Set(["artifact_id", "uid", "name", "dataset", "path", "edges", "meta_sources", "version", "code_commit", "digest"]),
};

/**
 * A manifest as it may be stored: no value whose name calls it secret, none of `secrets`, and nothing that looks like one, in any words that it has: parameters, tags,
 * metadata, keys that nobody knows.
 */
export function redactManifest(tree: Values, secrets: readonly string[]): Values {
  const words = (values: unknown, names: ReadonlySet<string>, inner: Record<string, (value: unknown) => unknown> = {}): unknown => {
    if (values === null || typeof values !== "object" || Array.isArray(values)) return redactValue(values, secrets);
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => {
        if (names.has(key)) return [key, value];
        if (Object.hasOwn(inner, key)) return [key, (inner[key] as (value: unknown) => unknown)(value)];
        return [key, (redactValue({ [key]: value }, secrets) as Values)[key]];
      }),
    );
  };
  const each = (of: (value: unknown) => unknown) => (values: unknown) => (Array.isArray(values) ? values.map(of) : redactValue(values, secrets));
  const items = each((item) => words(item, NAMES.item));
  const block = (entry: unknown): unknown => words(entry, NAMES.block, { record: (item) => words(item, NAMES.item) });
  return words(tree, NAMES.top, {
    artifacts: (section) => (Array.isArray(section) ? items(section) : words(section, NAMES.section, { items })),
    coffer: (own) => words(own, new Set(), { artifacts: each(block), gone: each(block) }),
  }) as Values;
}
