import { renameSync } from "node:fs";
import { errno } from "../domain/error.ts";

/** Renames a file or directory to where nobody looks for it. False where it is gone already. */
export function moveAway(path: string, to: string): boolean {
  try {
    renameSync(path, to);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT") return false;
    throw error;
  }
}
