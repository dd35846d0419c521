import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeInNewPlace } from "../../blobs/new-place.ts";
import type { Store } from "../store.ts";
import { writeOut } from "./write-out.ts";
import type { Content } from "./write-out.ts";

/**
 * Writes several files and directories into a directory that is not there yet, or is empty: all of them or none. Two of one name get numbers.
 * Returns their paths, in the same order.
 * @throws CofferError PROTECTED where something is there already; CORRUPT, UNREADABLE
 */
export async function writeTogether(store: Store, contents: readonly (Content & { name: string })[], directory: string): Promise<string[]> {
  const names = distinctNames(contents.map((content) => content.name));
  await makeInNewPlace(directory, "directory", async (beside) => {
    mkdirSync(beside);
    for (const [index, content] of contents.entries()) await writeOut(store, content, join(beside, names[index] as string));
  });
  return names.map((name) => join(directory, name));
}

/** `model.bin`, `model-2.bin`: no two are alike, not even where a file system knows no capitals. */
export function distinctNames(names: readonly string[]): string[] {
  const used = new Set<string>();
  return names.map((name) => {
    const dot = name.lastIndexOf(".");
    const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
    let distinct = name;
    for (let number = 2; used.has(distinct.toLowerCase()); number++) distinct = fitting(stem, `-${number}${extension}`);
    used.add(distinct.toLowerCase());
    return distinct;
  });
}

const MAX_NAME_BYTES = 255;

/** As much of `stem` as a file name has room for before `end`. */
function fitting(stem: string, end: string): string {
  const characters = [...stem];
  while (characters.length > 0 && Buffer.byteLength(characters.join("") + end) > MAX_NAME_BYTES) characters.pop();
  return characters.join("") + end;
}
