/**
 * JSON as Python's `json` module writes it: JSON, and the bare words NaN, Infinity and -Infinity.
 * @throws SyntaxError
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/\b(?:NaN|Infinity)\b/.test(text)) throw error;
    return revive(JSON.parse(quoteWords(text)), 0);
  }
}

const MARK = "\ue000number:";
/** More than anyone writes; each level is a call. */
const MAX_DEPTH = 1000;

/** Bare words outside strings become marked strings, which strict JSON can read. One pass by hand: a pattern gives up on long strings, and is slow where one has no end. */
function quoteWords(text: string): string {
  const next = /"|-?Infinity\b|NaN\b/g;
  const pieces: string[] = [];
  let done = 0;
  for (let found = next.exec(text); found; found = next.exec(text)) {
    const [word] = found;
    if (word === '"') {
      next.lastIndex = endOfString(text, next.lastIndex);
      continue;
    }
    pieces.push(text.slice(done, found.index), JSON.stringify(MARK + word));
    done = next.lastIndex;
  }
  return pieces.join("") + text.slice(done);
}

/** Behind the quote that ends the string which begins before `from`. */
function endOfString(text: string, from: number): number {
  const sign = /["\\]/g;
  sign.lastIndex = from;
  for (let found = sign.exec(text); found; found = sign.exec(text)) {
    if (found[0] === '"') return sign.lastIndex;
    sign.lastIndex++;
  }
  return text.length;
}

function revive(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new SyntaxError("it is nested too deeply");
  if (typeof value === "string") return value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value;
  if (Array.isArray(value)) return value.map((inner) => revive(inner, depth + 1));
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner, depth + 1)]));
  return value;
}
