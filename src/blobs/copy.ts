import { closeSync, constants, copyFileSync, fstatSync, linkSync, lstatSync, openSync, readSync, rmSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { CofferError, errno, isFull } from "../domain/error.ts";
import type { Hasher } from "./blake3.ts";
import { writeWhole } from "./durable.ts";

const CHUNK = 1 << 20;
const CHUNKS_PER_TURN = 16;

/** No link is followed, and a FIFO does not block for ever. */
export const SAFE_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The same for a file of our own, which somebody may have moved to another disk and linked. */
export const FOLLOWING_READ = constants.O_RDONLY | constants.O_NONBLOCK;

/** Opens a regular file for reading. */
export function openRegular(path: string | Buffer): { fd: number; stat: BigIntStats } {
  const fd = openSync(path, SAFE_READ);
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile())
      throw new CofferError("UNREADABLE", `${String(path)} is not a regular file`, {
        hint: "only files, directories and links inside them are kept",
      });
    return { fd, stat };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Hashes an open file from its beginning, in chunks between which signals are handled. Returns the bytes read. */
export async function hashFile(fd: number, hasher: Hasher): Promise<number> {
  return eachChunk(fd, (chunk) => hasher.update(chunk));
}

/** Copies an open file and hashes the bytes that are written, in one pass. Returns the bytes copied. */
export async function copyAndHash(from: number, to: number, hasher: Hasher): Promise<number> {
  return eachChunk(from, (chunk) => {
    hasher.update(chunk);
    writeWhole(to, chunk);
  });
}

/** Copies an open file under a new name, in the kernel and off the event loop where that can be. */
export async function copyOpened(fd: number, to: string): Promise<void> {
  if (process.platform === "linux") {
    const { copyFile } = await import("node:fs/promises");
    return copyFile(`/proc/self/fd/${fd}`, to, constants.COPYFILE_EXCL);
  }
  const target = openSync(to, "wx", 0o644);
  try {
    await eachChunk(fd, (chunk) => writeWhole(target, chunk));
  } finally {
    closeSync(target);
  }
}

const noClone = new Set<bigint>();

/**
 * Shares an open file's bytes copy-on-write under a new name (reflink), where the file system can. It clones the inode that was opened,
 * so nothing can be swapped in between. False where it cannot; nothing is left then.
 */
export function cloneOpened(fd: number, device: bigint, to: string): boolean {
  if (noClone.has(device) || process.platform !== "linux") return false;
  try {
    copyFileSync(`/proc/self/fd/${fd}`, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (isFull(error) || errno(error) === "EEXIST") throw error;
    rmSync(to, { force: true });
    noClone.add(device);
    return false;
  }
}

/** A second name for the very file that was opened; false on another file system, or where someone swapped it meanwhile. */
export function linkOpened(path: string, opened: BigIntStats, target: string): boolean {
  try {
    linkSync(path, target);
  } catch {
    return false;
  }
  const linked = lstatSync(target, { bigint: true });
  if (linked.ino === opened.ino && linked.dev === opened.dev && linked.isFile() && linked.nlink === 2n) return true;
  rmSync(target);
  return false;
}

async function eachChunk(fd: number, take: (chunk: Uint8Array) => void): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  let total = 0;
  for (let turn = 1; ; turn++) {
    const read = readSync(fd, buffer, 0, CHUNK, total);
    if (read === 0) return total;
    take(read === CHUNK ? buffer : buffer.subarray(0, read));
    total += read;
    if (turn % CHUNKS_PER_TURN === 0) await yieldToSignals();
  }
}
