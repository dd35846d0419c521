/*
 * Values of a foreign manifest as the database keeps them: JSON, in which not-a-number and the infinities are `{"coffer:number": "NaN"}`.
 * Imputers and schedulers have such parameters.
 */
const KEY = "coffer:number";
const WORDS: Record<string, number> = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity };

export function toForeignJson(values: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(values, (_, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? { [KEY]: String(value) } : value,
  );
}

export function fromForeignJson(text: string): Record<string, unknown> {
  if (!text.includes(KEY)) return JSON.parse(text) as Record<string, unknown>;
  return JSON.parse(text, (_, value: unknown) => {
    if (value === null || typeof value !== "object") return value;
    const word = (value as Record<string, unknown>)[KEY];
    return typeof word === "string" && Object.hasOwn(WORDS, word) ? WORDS[word] : value;
  }) as Record<string, unknown>;
}
