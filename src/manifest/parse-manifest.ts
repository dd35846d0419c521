import { parseConfig } from "../config/parse.ts";
import { CofferError } from "../domain/error.ts";

/** More than anyone writes. */
const MAX_DEPTH = 100;
/** Every value is counted as often as an alias names it. */
const MAX_VALUES = 20_000_000;
/** Where a fault stands is found by a slower reader, which takes no more than this. */
const MAX_PLACED = 2 << 20;

/** Bun 1.4.4 takes a quoted "<<" for a merge key; to every other reader it is text. */
const QUOTED_MERGE = /(?<!\\)(["'])<<\1/g;
const MERGE_MARK = "\ue000<<";

export interface ParsedManifest {
  tree: Record<string, unknown>;
  /** Whole numbers beyond 2^53: their last digits are lost. */
  inexact: number;
}

/**
 * One YAML document as plain values. A key that stands twice counts as its last, as PyYAML takes it.
 * @throws CofferError MANIFEST_INVALID with the place, where it can be told
 */
export function parseManifest(text: string, path: string): ParsedManifest {
  if (text.includes("\0")) throw invalid(path, "it is no text", "look whether this is the right file");
  const isMarked = /["']<</.test(text);
  const tree = parsed(isMarked ? text.replace(QUOTED_MERGE, `$1${MERGE_MARK}$1`) : text, text, path);
  if (tree === null || typeof tree !== "object") throw invalid(path, "it holds no keys", HINT);
  if (Array.isArray(tree)) throw invalid(path, "it holds a list, or several documents", HINT);
  const walk: Walk = { values: 0, inexact: 0, isMarked };
  try {
    return { tree: checked(tree, 0, walk) as Record<string, unknown>, inexact: walk.inexact };
  } catch (error) {
    if (error instanceof TooMuch) throw invalid(path, error.message, "write it without nested aliases");
    throw error;
  }
}

const HINT = "a manifest has schema_version and artifacts; see docs/manifest.md";

function parsed(text: string, original: string, path: string): unknown {
  try {
    return Bun.YAML.parse(text);
  } catch (error) {
    const fault = original.length <= MAX_PLACED ? parseConfig(original).faults[0] : undefined;
    const where = fault ? `line ${fault.line}, column ${fault.column}: ${fault.message}` : `it is no YAML: ${words(error)}`;
    throw invalid(path, where, fault?.hint ?? "look whether it was written to its end");
  }
}

interface Walk {
  values: number;
  inexact: number;
  isMarked: boolean;
}

class TooMuch extends Error {}

/** Looks at every value; an alias that names what it stands in would have no end. */
function checked(value: unknown, depth: number, walk: Walk): unknown {
  if (depth > MAX_DEPTH) throw new TooMuch("it is nested too deeply");
  if (++walk.values > MAX_VALUES) throw new TooMuch("it holds too many values");
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) walk.inexact++;
  if (typeof value === "string") return walk.isMarked ? value.replaceAll(MERGE_MARK, "<<") : value;
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) value[index] = checked(inner, depth + 1, walk);
    return value;
  }
  const map = value as Record<string, unknown>;
  for (const key of Object.keys(map)) map[key] = checked(map[key], depth + 1, walk);
  if (!walk.isMarked || !Object.keys(map).some((key) => key.includes(MERGE_MARK))) return map;
  return Object.fromEntries(Object.entries(map).map(([key, inner]) => [key.replaceAll(MERGE_MARK, "<<"), inner]));
}

export function invalid(path: string, what: string, hint: string): CofferError {
  return new CofferError("MANIFEST_INVALID", `${path}: ${what}`, { hint: `${hint}; nothing was stored` });
}

function words(error: unknown): string {
  if (error instanceof RangeError) return "nested too deeply";
  return error instanceof Error ? error.message.replace(/^YAML Parse error: /, "") : String(error);
}
