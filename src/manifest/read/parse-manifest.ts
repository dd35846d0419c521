import { parseConfig } from "../../config/parse.ts";
import { aliasedLength } from "../../domain/aliased-length.ts";
import { CofferError } from "../../domain/error.ts";
import { countOf } from "../../domain/quantity.ts";

/** More than anyone writes. */
const MAX_DEPTH = 100;
/** Every value, and every character of it, is counted as often as an alias names it. */
const MAX_VALUES = 10_000_000;
const MAX_CHARACTERS = 64 << 20;
/** Where a fault stands is found by a slower reader, which takes no more than this. */
const MAX_PLACED = 256 << 10;

/** Bun 1.4.4 takes a quoted "<<" for a merge key; to every other reader it is text, however its characters are written. */
const QUOTED_MERGE = /(?<!\\)(?:"(?:<|\\x3c|\\u003c|\\U0000003c){2}"|'<<')/gi;
const MERGE_MARK = "\ue000<<";

export interface ParsedManifest {
  tree: Record<string, unknown>;
  /** Numbers that are not what stands there: whole ones beyond 2^53, whose last digits are lost, and those too large for any. */
  inexact: number;
}

/**
 * One YAML document as plain values. A key that stands twice counts as its last, as PyYAML takes it.
 * @throws CofferError MANIFEST_INVALID with the place, where it can be told
 */
export function parseManifest(text: string, path: string): ParsedManifest {
  try {
    const { tree, checked, inexact } = openManifest(text, path);
    return { tree: checked(tree) as Record<string, unknown>, inexact: inexact() };
  } catch (error) {
    if (error instanceof TooMuch) throw invalid(path, error.message, "write it without nested aliases");
    throw error;
  }
}

/** It would not fit into memory, or into anything that is made of it. */
export class TooMuch extends Error {}

/**
 * The same for a reader that takes it part by part: each is to be `checked` before anybody goes through it, since an alias may name what it stands in.
 * @throws CofferError MANIFEST_INVALID; TooMuch
 */
export function openManifest(
  text: string,
  path: string,
): { tree: Record<string, unknown>; checked: (part: unknown) => unknown; inexact: () => number } {
  if (text.includes("\0")) throw invalid(path, "it is no text", "look whether this is the right file");
  if (aliasedLength(text) > MAX_CHARACTERS) throw new TooMuch(TOO_LONG);
  const isMarked = text.search(QUOTED_MERGE) !== -1;
  const tree = parsed(isMarked ? text.replace(QUOTED_MERGE, (quoted) => quoted[0] + MERGE_MARK + quoted[0]) : text, text, path);
  if (tree === null || typeof tree !== "object") throw invalid(path, "it holds no keys", HINT);
  if (Array.isArray(tree)) throw invalid(path, "it holds a list, or several documents", HINT);
  const walk: Walk = { values: 0, characters: 0, whole: 0, infinite: 0, isMarked };
  return {
    tree: tree as Record<string, unknown>,
    checked: (part) => checked(part, 0, walk),
    inexact: () => walk.whole + count(text, LONG_WHOLE) + Math.max(0, walk.infinite - count(text, INFINITE)),
  };
}

const HINT = "a manifest has schema_version and artifacts; see docs/manifest.md";
const TOO_LONG = `with its aliases written out it is longer than ${MAX_CHARACTERS >> 20} MiB`;
/** From here on a whole number and one with an exponent look the same when they are read. */
const LONG_WHOLE = /(?<=[\s:,[{-])[0-9]{22,}(?=[\s,\]}]|$)/g;
const INFINITE = /\.inf\b/gi;

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
  characters: number;
  whole: number;
  infinite: number;
  isMarked: boolean;
}

/** Looks at every value; an alias that names what it stands in would have no end. */
function checked(value: unknown, depth: number, walk: Walk): unknown {
  if (depth > MAX_DEPTH) throw new TooMuch("it is nested too deeply");
  if (++walk.values > MAX_VALUES) throw new TooMuch("it holds too many values");
  if (typeof value === "number") {
    if (Math.abs(value) === Infinity) walk.infinite++;
    else if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21) walk.whole++;
  }
  if (typeof value === "string") return text(value, walk);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) value[index] = checked(inner, depth + 1, walk);
    return value;
  }
  const map = value as Record<string, unknown>;
  let hasMark = false;
  for (const key of Object.keys(map)) {
    if (text(key, walk) !== key) hasMark = true;
    map[key] = checked(map[key], depth + 1, walk);
  }
  if (!hasMark) return map;
  return Object.fromEntries(Object.entries(map).map(([key, inner]) => [key.replaceAll(MERGE_MARK, "<<"), inner]));
}

function text(value: string, walk: Walk): string {
  walk.characters += value.length;
  if (walk.characters > MAX_CHARACTERS) throw new TooMuch(TOO_LONG);
  return walk.isMarked ? value.replaceAll(MERGE_MARK, "<<") : value;
}

/** Undefined where all are what stands there. */
export function inexactWords(count: number): string | undefined {
  if (count === 0) return undefined;
  return `${countOf(count, "number is", "numbers are")} too large to be kept: beyond 2^53 the last digits are lost`;
}

export function invalid(path: string, what: string, hint: string): CofferError {
  return new CofferError("MANIFEST_INVALID", `${path}: ${what}`, { hint: `${hint}; nothing was stored` });
}

function count(text: string, what: RegExp): number {
  return text.match(what)?.length ?? 0;
}

function words(error: unknown): string {
  if (error instanceof RangeError) return "nested too deeply";
  return error instanceof Error ? error.message.replace(/^YAML Parse error: /, "") : String(error);
}
