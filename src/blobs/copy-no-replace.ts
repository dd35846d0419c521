import { chmodSync, constants, rmSync } from "node:fs";
import { dirname } from "node:path";
import { errno } from "../domain/error.ts";
import { syncDirectory, syncPath } from "./durable.ts";

/** Copies a file to another file system, durably and read-only. False where something has that name already; where it fails nothing is left. */
export async function copyNoReplace(from: string, to: string): Promise<boolean> {
  const { copyFile } = await import("node:fs/promises");
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    chmodSync(to, 0o444);
    await syncPath(to);
    syncDirectory(dirname(to));
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    rmSync(to, { force: true });
    throw error;
  }
}
