import * as v from "valibot";
import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import { parseBytes, parseDuration } from "../domain/quantity.ts";
import { displayUrl } from "../domain/secret.ts";

/** What an editor is told about a value: a piece of JSON Schema. `${VAR}` may stand wherever a text may, so each piece takes such a text too. */
type Editor = Record<string, unknown>;

const VARIABLE = { type: "string", pattern: "\\$\\{.+\\}" };

/** True or false; also as a text, which is what a variable holds. */
export function toggle(description: string) {
  return leaf(description, { anyOf: [{ type: "boolean" }, VARIABLE] }, (given) => {
    if (typeof given === "boolean") return given;
    const text = typeof given === "string" ? given.toLowerCase() : "";
    if (text === "true" || text === "false") return text === "true";
    throw refusal(`must be true or false, not ${shown(given)}`, "write true or false");
  });
}

/** One of a few words. */
export function choice<const O extends string>(options: readonly O[], description: string) {
  return leaf(description, { anyOf: [{ enum: options }, VARIABLE] }, (given) => {
    const found = options.find((option) => option === given);
    if (found !== undefined) return found;
    const near = typeof given === "string" ? closest(given, options) : undefined;
    throw refusal(
      `must be ${options.length === 1 ? options[0] : `one of ${options.join(", ")}`}, not ${shown(given)}`,
      near ? `did you mean ${near}?` : `write ${options.join(" or ")}`,
    );
  });
}

/** A whole number. */
export function count(limits: { min: number; max: number }, description: string) {
  return leaf(description, { anyOf: [{ type: "integer", minimum: limits.min, maximum: limits.max }, VARIABLE] }, (given) => {
    const number = numberFrom(given);
    if (Number.isSafeInteger(number) && number >= limits.min && number <= limits.max) return number;
    throw refusal(
      `must be a whole number from ${limits.min} to ${limits.max}, not ${shown(given)}`,
      `write a number such as ${Math.max(limits.min, 10)}`,
    );
  });
}

/** Days, parts of a day too. */
export function days(description: string) {
  return leaf(description, { anyOf: [{ type: "number", minimum: 0 }, VARIABLE] }, (given) => {
    const number = numberFrom(given);
    if (number >= 0 && number < 1e6) return number;
    throw refusal(
      `must be a number of days, not ${shown(given)}`,
      "write a number such as 90, or null for no limit where there may be none",
    );
  });
}

/** `50GB`, `1.5GiB` or a number of bytes; becomes bytes. */
export function bytes(description: string) {
  return leaf(description, { anyOf: [{ type: "integer", minimum: 0 }, { type: "string" }] }, (given) => {
    const size = quantity(given, parseBytes);
    if (Number.isSafeInteger(size)) return size;
    throw refusal(`is larger than any disk: ${shown(given)}`, "write a size such as 50GB");
  });
}

/** `1h`, `30m`, `7d` or 0; becomes milliseconds. */
export function duration(description: string) {
  return leaf(
    description,
    { anyOf: [{ const: 0 }, { type: "string", pattern: "^\\s*[0-9.]+\\s*(ms|s|m|h|d|w)?\\s*$" }, VARIABLE] },
    (given) => quantity(given, parseDuration),
  );
}

export function text(description: string) {
  return leaf(description, { type: "string" }, checkedText);
}

export function filled(description: string) {
  return leaf(description, { type: "string", minLength: 1 }, (given) => {
    const value = checkedText(given);
    if (value.trim() !== "") return value;
    throw refusal("must not be empty", "give a value, or leave the key out for its default");
  });
}

/** A list of glob patterns. */
export function patterns(description: string) {
  return leaf(description, { type: "array", items: { type: "string", minLength: 1 } }, (given) => {
    if (!Array.isArray(given)) throw refusal(`must be a list of patterns, not ${shown(given)}`, 'write a list: ["*.log", "cache"]');
    return given.map((item: unknown) => {
      if (typeof item === "string" && item !== "" && !item.includes("\0")) return item;
      throw refusal(`must be a list of patterns: ${shown(item)} is none`, 'put each in quotes: ["*.log", "cache"]');
    });
  });
}

/**
 * One value of the configuration. `read` makes the value from what a file or a variable holds and throws a CofferError with a hint.
 * An issue has no place for a hint, so it travels as the second line of the message; `problemOf` takes the two apart.
 */
function leaf<T>(description: string, editor: Editor, read: (given: unknown) => T) {
  return v.pipe(
    v.unknown(),
    v.description(description),
    v.metadata({ editor }),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return read(dataset.value);
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        addIssue({ message: `${error.message}\n${error.hint ?? ""}` });
        return NEVER;
      }
    }),
  );
}

/** The two lines of a leaf's issue. */
export function problemOf(message: string): { message: string; hint: string } {
  const [what = "", hint = ""] = message.split("\n");
  return { message: what, hint };
}

function refusal(message: string, hint: string): CofferError {
  return new CofferError("CONFIG_INVALID", message, { hint });
}

function checkedText(given: unknown): string {
  if (typeof given !== "string")
    throw refusal(
      `must be a text, not ${shown(given)}`,
      typeof given === "number" || typeof given === "boolean" ? "put it in quotes" : "write one text",
    );
  if (given.includes("\0")) throw refusal("must not hold a NUL character", "take it out");
  return given;
}

function numberFrom(given: unknown): number {
  if (typeof given === "number") return given;
  return typeof given === "string" && /^\s*[0-9]+(\.[0-9]+)?\s*$/.test(given) ? Number(given) : Number.NaN;
}

function quantity(given: unknown, parse: (text: string) => number): number {
  if (typeof given !== "string" && typeof given !== "number")
    throw refusal(`must be a text or a number, not ${shown(given)}`, "write it like 50GB or 1h");
  try {
    return parse(String(given));
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    throw refusal(`is ${displayUrl(error.message).replaceAll("\n", " ")}`, error.hint ?? "");
  }
}

/** A value as an error may show it: short, on one line, without a password. */
function shown(given: unknown): string {
  if (Array.isArray(given)) return "a list";
  if (given !== null && typeof given === "object") return "a section";
  if (typeof given !== "string") return String(given);
  const short = displayUrl(given);
  return JSON.stringify(short.length > 60 ? `${short.slice(0, 60)}…` : short);
}
