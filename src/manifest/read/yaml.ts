/** What a manifest may hold. A list may come as anything that can be gone through once, so that a long one need not be there at once. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Plain[]
  | { readonly [key: string]: Plain }
  | { [Symbol.iterator](): Iterator<Plain> };

/**
 * YAML with every string in double quotes, so that an id such as 10000:3:0 is no base-60 number to YAML 1.1 readers, and a version "1.10"
 * stays what it is. Block style; a list of plain values stands on one line.
 */
export function toYaml(value: { readonly [key: string]: Plain }): string {
  return [...yamlPieces(value)].join("");
}

const PIECE = 1 << 16;

/** The same text in pieces, each written as soon as it is known. */
export function* yamlPieces(value: { readonly [key: string]: Plain }): Generator<string> {
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    if (isMap(inner) && Object.values(inner).some(isLazy)) {
      yield `${label(key, "")}:\n`;
      for (const [own, list] of Object.entries(inner)) yield* lazily(own, list, "  ");
    } else yield* lazily(key, inner, "");
  }
}

/** Members of a list that is gone through once leave in groups. */
function* lazily(key: string, value: Plain, indent: string): Generator<string> {
  if (value === undefined) return;
  if (!isLazy(value)) {
    yield pair(key, value, indent);
    return;
  }
  let piece = "";
  let isEmpty = true;
  for (const item of value) {
    if (isEmpty) piece = `${indent}${label(key, indent)}:\n`;
    isEmpty = false;
    piece += `${indent}- ${member(item, `${indent}  `)}`;
    if (piece.length < PIECE) continue;
    yield piece;
    piece = "";
  }
  yield isEmpty ? `${indent}${label(key, indent)}: []\n` : piece;
}

function block(value: { readonly [key: string]: Plain }, indent: string): string {
  let text = "";
  for (const key in value) if (Object.hasOwn(value, key) && value[key] !== undefined) text += pair(key, value[key], indent);
  return text;
}

function pair(key: string, value: Plain, indent: string): string {
  return `${indent}${label(key, indent)}:${right(value, indent)}`;
}

function right(value: Plain, indent: string): string {
  if (value === null || typeof value !== "object") return ` ${scalar(value)}\n`;
  if (isMap(value)) {
    const inner = block(value, `${indent}  `);
    return inner === "" ? " {}\n" : `\n${inner}`;
  }
  const list = isList(value) ? value : [...value];
  if (list.every((item) => item === null || typeof item !== "object")) return ` [${list.map(scalar).join(", ")}]\n`;
  let text = "\n";
  for (const item of list) text += `${indent}- ${member(item, `${indent}  `)}`;
  return text;
}

function member(item: Plain, indent: string): string {
  if (item === null || typeof item !== "object") return `${scalar(item)}\n`;
  if (isMap(item)) return block(item, indent).slice(indent.length) || "{}\n";
  const list = isList(item) ? item : [...item];
  // a list in a list stands on one line, whatever is in it
  return `${flow(list)}\n`;
}

function flow(value: Plain): string {
  if (value === null || typeof value !== "object") return scalar(value);
  if (isMap(value))
    return `{${Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => `${isLong(name(key)) ? "? " : ""}${name(key)}: ${flow(inner)}`)
      .join(", ")}}`;
  return `[${[...value].map(flow).join(", ")}]`;
}

/** What is the same between double quotes. */
const PRINTABLE = /^[ !#-[\]-~]*$/;

function scalar(value: Plain): string {
  if (typeof value === "string") {
    if (PRINTABLE.test(value)) return `"${value}"`;
    return JSON.stringify(value).replace(
      /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  }
  if (typeof value === "number")
    return Number.isNaN(value) ? ".nan" : Number.isFinite(value) ? finite(value) : value > 0 ? ".inf" : "-.inf";
  return value === null || value === undefined ? "null" : String(value);
}

/** PyYAML takes 1e-7 for text: to YAML 1.1 a number with an exponent has a point. */
function finite(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return text.includes("e") && !text.includes(".") ? text.replace("e", ".0e") : text;
}

function name(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !/^(?:y|n|yes|no|on|off|true|false|null)$/i.test(key) ? key : scalar(key);
}

/** The key of a pair in block style; a long one is marked as such, since PyYAML looks no further than 1024 characters for its colon. */
function label(key: string, indent: string): string {
  const text = name(key);
  return isLong(text) ? `? ${text}\n${indent}` : text;
}

function isLong(text: string): boolean {
  return text.length > 1000;
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}

function isLazy(value: Plain): value is { [Symbol.iterator](): Iterator<Plain> } {
  return value !== null && typeof value === "object" && !Array.isArray(value) && Symbol.iterator in value;
}

function isMap(value: Plain): value is { readonly [key: string]: Plain } {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(Symbol.iterator in value);
}
