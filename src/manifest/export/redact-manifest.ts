import { hidesValue, redactText, REDACTED } from "../../domain/redact.ts";

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

const NONE: ReadonlySet<string> = new Set();

type Redact = (value: unknown) => unknown;

/**
 * A manifest as it may be stored: no value whose name calls it secret, none of `secrets`, and nothing that looks like one, in any words that it has: parameters, tags,
 * metadata, keys that nobody knows. The very same one, where there is nothing to leave out.
 */
export function redactManifest(tree: Values, secrets: readonly string[]): Values {
  // ten thousand records have the same few keys and words
  const hides = remembered(hidesValue);
  const clean = remembered((text) => redactText(text, secrets));
  const value = (given: unknown, isHidden: boolean): unknown => {
    if (given !== null && typeof given === "object")
      return Array.isArray(given) ? each((inner) => value(inner, false))(given) : words(given, NONE);
    if (isHidden && given !== null && given !== "") return REDACTED;
    return typeof given === "string" ? clean(given) : given;
  };
  const words = (given: unknown, names: ReadonlySet<string>, inner: Record<string, Redact> = {}): unknown => {
    if (given === null || typeof given !== "object" || Array.isArray(given)) return value(given, false);
    let all = given as Values;
    for (const [key, before] of Object.entries(given)) {
      if (names.has(key)) continue;
      const after = Object.hasOwn(inner, key) ? (inner[key] as Redact)(before) : value(before, hides(key));
      if (!Object.is(after, before)) all = { ...all, [key]: after };
    }
    return all;
  };
  const each =
    (of: Redact): Redact =>
    (given) => {
      if (!Array.isArray(given)) return value(given, false);
      const all = given.map(of);
      return all.every((one, index) => Object.is(one, given[index])) ? given : all;
    };
  const items = each((item) => words(item, NAMES.item));
  const block: Redact = (entry) => words(entry, NAMES.block, { record: (item) => words(item, NAMES.item) });
  return words(tree, NAMES.top, {
    artifacts: (section) => (Array.isArray(section) ? items(section) : words(section, NAMES.section, { items })),
    coffer: (own) => words(own, NONE, { artifacts: each(block), gone: each(block) }),
  }) as Values;
}

const MAX_REMEMBERED = 10_000;

function remembered<T>(of: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const found = of(text);
    if (known.size < MAX_REMEMBERED) known.set(text, found);
    return found;
  };
}
