/*
 * Values of a foreign manifest as the database keeps them: JSON, in which not-a-number, the infinities and minus zero are `{"coffer:number": "NaN"}`.
 * Imputers and schedulers have such parameters.
 */

/** Under which what a `coffer` block says beyond all columns is kept with its run, or its artifact. */
export const BLOCK_REST = "coffer:block";

const KEY = "coffer:number";
const WORDS: Record<string, number> = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity, "-0": -0 };

export function toForeignJson(values: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(values, (_, value: unknown) => {
    if (typeof value !== "number") return value;
    if (Object.is(value, -0)) return { [KEY]: "-0" };
    return Number.isFinite(value) ? value : { [KEY]: String(value) };
  });
}

export function fromForeignJson(text: string): Record<string, unknown> {
  if (!text.includes(KEY)) return JSON.parse(text) as Record<string, unknown>;
  return JSON.parse(text, (_, value: unknown) => {
    if (value === null || typeof value !== "object") return value;
    const word = (value as Record<string, unknown>)[KEY];
    return typeof word === "string" && Object.hasOwn(WORDS, word) ? WORDS[word] : value;
  }) as Record<string, unknown>;
}
