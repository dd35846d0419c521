import { CofferError } from "./error.ts";

/** Characters. */
const LONGEST = 64 << 20;

/**
 * Lines of a stream of UTF-8, none of them longer than memory takes, without their ends (`\n` or `\r\n`). Node's readline also cuts at U+2028 and U+2029, which JSON may hold inside of a text.
 * @throws CofferError VALUE_INVALID for a line that does not end
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, longest = LONGEST): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // pieces are joined once, at the end of their line
  let begun: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
    length = rest.length > 0 ? 0 : length + first.length;
    if (length > longest)
      throw new CofferError("VALUE_INVALID", `a line is longer than ${longest} characters`, { hint: "end each line with a line break" });
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
