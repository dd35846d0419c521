import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isDirectory } from "../blobs/is-directory.ts";
import { makeInNewPlace } from "../blobs/new-place.ts";

/**
 * Writes a text to a file that is not there yet. In a directory it gets the name `otherwise`. Returns its path.
 * @throws CofferError PROTECTED where something is there already; UNREADABLE
 */
export async function writeNewFile(given: string, text: string, otherwise: string): Promise<string> {
  const path = resolve(given);
  const target = isDirectory(path) ? join(path, otherwise) : path;
  await makeInNewPlace(target, "file", (beside) => writeFileSync(beside, text));
  return target;
}
