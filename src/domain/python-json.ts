/**
 * JSON as Python's `json` module writes it: JSON, and the bare words NaN, Infinity and -Infinity.
 * @throws SyntaxError
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/\b(?:NaN|Infinity)\b/.test(text)) throw error;
    return revive(JSON.parse(quoteWords(text)));
  }
}

const MARK = "\ue000number:";

/** Bare words outside strings become marked strings, which strict JSON can read. */
function quoteWords(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)\b/g, (whole: string, word: string | undefined) =>
    word === undefined ? whole : JSON.stringify(MARK + word),
  );
}

function revive(value: unknown): unknown {
  if (typeof value === "string") return value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value;
  if (Array.isArray(value)) return value.map(revive);
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
  return value;
}
