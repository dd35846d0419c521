import { CofferError } from "./error.ts";

/**
 * `key=value`, as in `--param lr=0.1` and `--tag team=vision`. The value may be empty and may hold further `=`.
 * @throws CofferError VALUE_INVALID
 */
export function parseAssignment(what: string, text: string): [key: string, value: string] {
  const cut = text.indexOf("=");
  if (cut <= 0)
    throw new CofferError("VALUE_INVALID", `not a ${what}: “${text}”`, { hint: `write ${what === "tag" ? "" : `--${what} `}key=value` });
  return [checkKey(what, text.slice(0, cut)), text.slice(cut + 1)];
}

/**
 * `key=value[@step]`, as in `--metric loss=0.31@12`; without a step it is 0. NaN, Infinity and -Infinity are numbers.
 * @throws CofferError VALUE_INVALID
 */
export function parseMetric(text: string): { key: string; value: number; step: number } {
  const [key, right] = parseAssignment("metric", text);
  const found = /^([^@]+)(?:@(-?[0-9]+))?$/.exec(right);
  const value = found ? parseNumber(found[1] as string) : undefined;
  if (value === undefined)
    throw new CofferError("VALUE_INVALID", `not a metric: “${text}”`, { hint: "write --metric key=number or --metric key=number@step" });
  const step = Number(found?.[2] ?? 0);
  if (!Number.isSafeInteger(step))
    throw new CofferError("VALUE_INVALID", `the step of “${text}” is too large`, { hint: "steps are whole numbers up to 2^53" });
  return { key, value, step };
}

/** A decimal number, `nan`, `inf` and their spellings; undefined where it is none. */
export function parseNumber(text: string): number | undefined {
  const plain = text.trim();
  const special = /^([+-]?)(nan|inf|infinity)$/i.exec(plain);
  if (special) return /nan/i.test(special[2] as string) ? Number.NaN : special[1] === "-" ? -Infinity : Infinity;
  return /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i.test(plain) ? Number(plain) : undefined;
}

/**
 * A key of a parameter, metric or tag: not empty, at most 250 characters, no control character.
 * @throws CofferError NAME_INVALID
 */
export function checkKey(what: string, key: string): string {
  if (key.trim() === "" || key.length > 250 || /[\x00-\x1f\x7f]/.test(key))
    throw new CofferError("NAME_INVALID", `not a key of a ${what}: ${JSON.stringify(key.slice(0, 60))}`, {
      hint: "1 to 250 characters without control characters",
    });
  return key;
}
