/** What a manifest may hold. */
export type Plain = string | number | boolean | null | undefined | readonly Plain[] | { readonly [key: string]: Plain };

/**
 * YAML with every string in double quotes, so that an id such as 10000:3:0 is no base-60 number to YAML 1.1 readers, and a version "1.10"
 * stays what it is. Block style; a list of plain values stands on one line.
 */
export function toYaml(value: { readonly [key: string]: Plain }): string {
  return block(value, "");
}

function block(value: { readonly [key: string]: Plain }, indent: string): string {
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([key, inner]) => `${indent}${name(key)}:${right(inner, indent)}`)
    .join("");
}

function right(value: Plain, indent: string): string {
  if (isList(value)) {
    if (value.every((item) => item === null || typeof item !== "object")) return ` [${value.map(scalar).join(", ")}]\n`;
    return `\n${value.map((item) => `${indent}- ${member(item, `${indent}  `)}`).join("")}`;
  }
  if (value !== null && typeof value === "object") {
    const inner = block(value, `${indent}  `);
    return inner === "" ? " {}\n" : `\n${inner}`;
  }
  return ` ${scalar(value)}\n`;
}

function member(item: Plain, indent: string): string {
  if (isList(item)) return `[${item.map(scalar).join(", ")}]\n`;
  if (item !== null && typeof item === "object") return block(item, indent).slice(indent.length) || "{}\n";
  return `${scalar(item)}\n`;
}

function scalar(value: Plain): string {
  if (typeof value === "string")
    return JSON.stringify(value).replace(
      /[\x7f-\x9f\u2028\u2029\ufeff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  if (typeof value === "number")
    return Number.isNaN(value) ? ".nan" : Number.isFinite(value) ? String(value) : value > 0 ? ".inf" : "-.inf";
  return value === null || value === undefined ? "null" : JSON.stringify(value);
}

function name(key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !/^(?:y|n|yes|no|on|off|true|false|null)$/i.test(key) ? key : scalar(key);
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}
