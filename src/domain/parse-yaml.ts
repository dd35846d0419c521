import { aliasedLength } from "./aliased-length.ts";

const MAX_CHARACTERS = 64 << 20;

/**
 * What a YAML text says, where it does not take more memory than there is: a few lines of aliases stand for terabytes. A map or list may still hold itself.
 * @throws Error for such a text; SyntaxError
 */
export function parseYaml(text: string): unknown {
  if (aliasedLength(text) > MAX_CHARACTERS) throw new Error(`with its aliases written out it is longer than ${MAX_CHARACTERS >> 20} MiB`);
  return Bun.YAML.parse(text);
}
