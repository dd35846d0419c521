/**
 * Lines of a stream of UTF-8, without their ends (`\n` or `\r\n`). Node's readline also cuts at U+2028 and U+2029, which JSON may hold inside of a text.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // pieces are joined once, at the end of their line
  let begun: string[] = [];
  for await (const chunk of chunks) {
    const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
    begun.push(first);
    for (const next of rest) {
      yield line(begun);
      begun = [next];
    }
  }
  begun.push(decoder.decode());
  const last = line(begun);
  if (last !== "") yield last;
}

function line(pieces: readonly string[]): string {
  const text = pieces.join("");
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
