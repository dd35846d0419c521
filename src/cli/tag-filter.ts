/** `key` or `key=value`, as a filter. */
export function parseTagFilter(text: string): [key: string, value: string | undefined] {
  const cut = text.indexOf("=");
  return cut === -1 ? [text, undefined] : [text.slice(0, cut), text.slice(cut + 1)];
}
