import { lstatSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CofferError, reason } from "../domain/error.ts";

/**
 * Writes a text to a file that is not there yet: beside it first, so that nobody sees half of it. In a directory it gets the name `otherwise`. Returns its path.
 * @throws CofferError PROTECTED where something is there already; UNREADABLE
 */
export function writeNewFile(given: string, text: string, otherwise: string): string {
  const path = resolve(given);
  const target = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, otherwise) : path;
  if (lstatSync(target, { throwIfNoEntry: false }))
    throw new CofferError("PROTECTED", `${target} exists`, { hint: "name another place, or move it away; coffer does not overwrite" });
  const beside = join(dirname(target), `.coffer-${Bun.randomUUIDv7()}.tmp`);
  try {
    writeFileSync(beside, text, { flag: "wx" });
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new CofferError("UNREADABLE", `${target} could not be written: ${reason(error)}`, {
      hint: "check that the directory is there, that it has room and that you may write there",
      cause: error,
    });
  }
  return target;
}
