import {
  closeSync,
  constants,
  existsSync,
  fsync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { errno } from "../domain/error.ts";
import { syncPoint } from "../domain/sync-point.ts";

/** Makes a directory's entries durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!refusesFlush(error)) throw error;
  } finally {
    closeSync(fd);
  }
}

/** Some network file systems cannot flush a directory; they make entries durable by themselves. An error of the disk is none of these. */
export function refusesFlush(error: unknown): boolean {
  return errno(error) === "EINVAL" || errno(error) === "ENOTSUP";
}

/** Flushes a file without stopping the event loop, so that signals are still passed on. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
}

/** The same for a file that somebody else wrote and closed. */
export async function syncPath(path: string): Promise<void> {
  const fd = openSync(path, "r");
  try {
    await syncFile(fd);
  } finally {
    closeSync(fd);
  }
}

/** Directories that this process made durable, or saw to be. */
const durable = new Set<string>();

/** Makes directories down to `path`, each of them durable. One that was there is flushed once: another process may have made it a moment ago. */
export function makeDirectory(path: string, mode = 0o755): void {
  if (durable.has(path) && existsSync(path)) return;
  makeDurable(path, mode);
  durable.add(path);
}

function makeDurable(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (errno(error) === "EEXIST") return syncDirectory(dirname(path));
    if (errno(error) !== "ENOENT") throw error;
    makeDirectory(dirname(path), mode);
    try {
      mkdirSync(path, { mode });
    } catch (again) {
      if (errno(again) !== "EEXIST") throw again;
    }
  }
  syncDirectory(dirname(path));
}

/** How file systems say that they know no hard links. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/** Whether a link could not be made because there can be none here. */
export function knowsNoLinks(error: unknown): boolean {
  return NO_LINKS.includes(errno(error) ?? "");
}

/**
 * Renames without ever replacing: two blobs never share a file because their short names agree.
 * False where something has that name already. Both paths lie on one file system; the caller syncs the directory.
 */
export function renameNoReplace(from: string, to: string): boolean {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    if (knowsNoLinks(error)) return renameOntoClaim(from, to);
    throw error;
  }
  syncPoint("rename.linked");
  unlinkSync(from);
  syncPoint("rename.unlinked");
  return true;
}

/** Where there are no links, an empty file takes the name first: it is this call's own to replace. A crash leaves it, as a file that no row names. */
function renameOntoClaim(from: string, to: string): boolean {
  try {
    closeSync(openSync(to, "wx"));
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
  try {
    renameSync(from, to);
  } catch (error) {
    unlinkSync(to);
    throw error;
  }
  return true;
}

/**
 * Writes a whole file so that a reader, and a crash, see the old or the new one. A large one may come in pieces. Only one process at a time may replace a file: what
 * it has beside it has always the same name, so that what a crash left there goes with the next call.
 */
export function replaceFile(path: string, bytes: Uint8Array | string | Generator<string>, mode = 0o644): void {
  const beside = join(dirname(path), `.${basename(path)}.tmp`);
  rmSync(beside, { force: true });
  const fd = openSync(beside, "wx", mode);
  try {
    if (bytes instanceof Uint8Array) writeWhole(fd, bytes);
    else for (const piece of typeof bytes === "string" ? [bytes] : bytes) writeWhole(fd, Buffer.from(piece));
    fsyncSync(fd);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  syncPoint("replace.written");
  renameSync(beside, path);
  syncPoint("replace.renamed");
  syncDirectory(dirname(path));
}

/** write(2) may take less than it was given. */
export function writeWhole(fd: number, bytes: Uint8Array, length = bytes.length): void {
  for (let at = 0; at < length;) at += writeSync(fd, bytes, at, length - at);
}
