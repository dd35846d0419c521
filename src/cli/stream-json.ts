const CHUNK = 1 << 16;

/**
 * Writes one JSON document on one line, as `JSON.stringify` would. What the document holds at its top and is no list but can be read one by one becomes a list,
 * and is never in memory as a whole.
 */
export function streamJson<D extends { schema: `coffer.${string}/${number}` }>(document: D, write: (text: string) => void): void {
  let text = "{";
  const add = (more: string): void => {
    text += more;
    if (text.length < CHUNK) return;
    write(text);
    text = "";
  };
  let isFirst = true;
  for (const [key, value] of Object.entries<unknown>(document)) {
    if (value === undefined) continue;
    add(`${isFirst ? "" : ","}${JSON.stringify(key)}:`);
    isFirst = false;
    if (!isStream(value)) add(JSON.stringify(value));
    else {
      let before = "[";
      for (const one of value) {
        add(before + JSON.stringify(one));
        before = ",";
      }
      add(before === "[" ? "[]" : "]");
    }
  }
  write(`${text}}\n`);
}

function isStream(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value && !Array.isArray(value);
}
