import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import type { StatsFs } from "node:fs";
import { join } from "node:path";
import { diskFigures } from "../domain/file-system.ts";

/*
 * A directory of files that hold nothing. On a disk that is full to the last byte SQLite cannot even open a database in WAL mode, and who makes room there needs a
 * few blocks and inodes first: these are given up for that, and taken again when the command is done.
 */

const DIRECTORY = "coffer.reserve";
const FILES = 8;
const FILE_BYTES = 128 << 10;

/** That getRandomValues gives at once. node:crypto would cost each start a millisecond. */
const MOST_RANDOM = 64 << 10;
const RESERVE_BYTES = FILES * FILE_BYTES;
const SHORT_INODES = 16;

/** Takes the reserve of a new store, unless the disk is so small that this would matter. */
export function layReserve(root: string): void {
  if (freeRoom(diskFigures(root)) >= 32 * RESERVE_BYTES) retakeReserve(root);
}

/** Whether nothing was ever taken, or a command that gave it up was killed. */
export function lacksReserve(root: string): boolean {
  return !isWhole(join(root, DIRECTORY, String(FILES)));
}

/** As much of the reserve as the disk has room for. What fails is tried again by the next command that makes room. */
export function retakeReserve(root: string): void {
  const bytes = Buffer.allocUnsafe(FILE_BYTES);
  try {
    mkdirSync(join(root, DIRECTORY), { recursive: true });
    for (let nth = 1; nth <= FILES; nth++) fill(join(root, DIRECTORY, String(nth)), bytes);
  } catch {
    // full, or not ours to write to: a reserve is no reason to fail
  }
}

function fill(path: string, bytes: Buffer): void {
  if (isWhole(path)) return;
  rmSync(path, { force: true });
  // some file systems would take no room for zeros, or for the same bytes again
  for (let at = 0; at < bytes.length; at += MOST_RANDOM) crypto.getRandomValues(bytes.subarray(at, at + MOST_RANDOM));
  const fd = openSync(path, "wx", 0o644);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** One that a kill cut short gives too little. */
function isWhole(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.size === FILE_BYTES;
}

/** Gives it up. False where there was nothing to give. */
export function spendReserve(root: string): boolean {
  const path = join(root, DIRECTORY);
  if (!existsSync(path)) return false;
  try {
    rmSync(path, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  }
}

/** Bytes that a disk still takes; 0 where its inodes are as good as used up. */
export function freeRoom(figures: StatsFs | undefined): number {
  if (!figures) return Infinity;
  const { bavail, bsize, files, ffree } = figures;
  return files > 0 && ffree < SHORT_INODES ? 0 : bavail * bsize;
}
