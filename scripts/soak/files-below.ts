import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Relative paths of all that is no directory, sorted, with the directories if wanted; none where there is nothing. */
export function filesBelow(directory: string, andDirectories = false): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => andDirectories || !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted();
}
