import { chmodSync, constants, copyFileSync, lstatSync, renameSync, rmSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";

/** Whether both names are one file. False where one of them is gone. */
export function isShared(path: string, blobPath: string): boolean {
  const [own, blob] = [path, blobPath].map((name) => lstatSync(name, { bigint: true, throwIfNoEntry: false }));
  return own !== undefined && blob !== undefined && own.ino === blob.ino && own.dev === blob.dev;
}

/**
 * Gives a file of a workspace bytes of its own where it is the very inode of a stored blob: whoever wrote through it would write into the store.
 * @throws what keeps the copy from being made; the file is as it was then
 */
export function unshare(path: string, blobPath: string): void {
  if (!isShared(path, blobPath)) return;
  const { mode, atime, mtime } = lstatSync(path);
  const beside = join(dirname(path), `.coffer-${Bun.randomUUIDv7()}`);
  try {
    copyFileSync(path, beside, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    chmodSync(beside, mode & 0o7777);
    utimesSync(beside, atime, mtime);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
