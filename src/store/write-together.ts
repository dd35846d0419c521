import { lstatSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { removeTree } from "../blobs/remove-tree.ts";
import { CofferError, errno, reason } from "../domain/error.ts";
import type { Store } from "./store.ts";
import { writeOut } from "./write-out.ts";
import type { Content } from "./write-out.ts";

/**
 * Writes several files and directories into a directory that is not there yet, or is empty: all of them or none. Two of one name get numbers.
 * Returns their paths, in the same order.
 * @throws CofferError PROTECTED where something is there already; CORRUPT, UNREADABLE
 */
export async function writeTogether(store: Store, contents: readonly (Content & { name: string })[], directory: string): Promise<string[]> {
  refuseTaken(directory);
  const names = distinctNames(contents.map((content) => content.name));
  const beside = join(dirname(directory), `.coffer-${Bun.randomUUIDv7()}.tmp`);
  try {
    mkdirSync(beside, { recursive: true });
    for (const [index, content] of contents.entries()) await writeOut(store, content, join(beside, names[index] as string));
    // an empty directory gives way; one that somebody has filled meanwhile does not
    renameSync(beside, directory);
  } catch (error) {
    removeTree(beside);
    if (error instanceof CofferError || errno(error) === undefined) throw error;
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errno(error) as string)) throw taken(directory);
    throw new CofferError("UNREADABLE", `${directory} could not be written: ${reason(error)}`, {
      hint: "check that there is room and that you may write there",
      cause: error,
    });
  }
  return names.map((name) => join(directory, name));
}

function refuseTaken(directory: string): void {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory() || readdirSync(directory).length > 0) throw taken(directory);
}

function taken(directory: string): CofferError {
  return new CofferError("PROTECTED", `${directory} exists and is no empty directory`, {
    hint: "name another place, or move it away; coffer does not overwrite",
  });
}

/** `model.bin`, `model-2.bin`: no two are alike, not even where a file system knows no capitals. */
export function distinctNames(names: readonly string[]): string[] {
  const used = new Set<string>();
  return names.map((name) => {
    const dot = name.lastIndexOf(".");
    const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
    let distinct = name;
    for (let number = 2; used.has(distinct.toLowerCase()); number++) distinct = `${stem}-${number}${extension}`;
    used.add(distinct.toLowerCase());
    return distinct;
  });
}
