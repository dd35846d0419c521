import { chmodSync, closeSync, fstatSync, linkSync, lstatSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { cloneOpened, copyOpened } from "../../blobs/copy.ts";
import { writeWhole } from "../../blobs/durable.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import { checkArtifactPath } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { readSource } from "../../mlflow/artifacts/upload-source.ts";
import type { UploadSource } from "../../mlflow/artifacts/upload-source.ts";
import type { Arrival } from "./arrival.ts";

export type ShareWish = "auto" | "clone" | "link" | "copy";

export interface Placed {
  /** How the bytes came to be there. A wish that this disk cannot grant ends as a copy. */
  how: Extract<Arrival, "clone" | "link" | "copy">;
  /** Another file lay there before. */
  replaced: boolean;
}

/** Thousands of small files are placed without anything to wait for: others get their turn after so many milliseconds. */
const TURN = 10;
let turnBegan = performance.now();

/** Directories of one run that were made, or looked at, a moment ago. */
const MOMENT = 1000;
let made = { directory: "", paths: new Set<string>(), at: 0 };

/**
 * Puts a file where MLflow looks for it, on a disk that both see: `directory` is the run's, `path` what `remoteName` gave. `auto` clones where the file system can, else links, else copies. Only whole, not
 * empty files of mode 0444 are linked, and the caller never lets a file be linked into a run that something else still logs to: MLflow's own client would
 * write into the blob.
 * A reader sees the file wholly or not at all; an older one is replaced, never written into, since it may itself be a link of a blob.
 * Nothing is fsynced, as MLflow does not either: what a power cut takes is found by the next check, and the blob is still in the store.
 * @throws CofferError PATH_INVALID, COLLISION for a directory in the way, UNREADABLE for a disk that refuses, CORRUPT for a source that is too short
 */
export async function placeShared(directory: string, path: string, source: UploadSource, wish: ShareWish): Promise<Placed> {
  if (performance.now() - turnBegan > TURN) {
    await yieldToSignals();
    turnBegan = performance.now();
  }
  const target = join(directory, checkArtifactPath(path));
  const place = async (): Promise<Placed> => {
    makeDirectories(directory, path);
    const before = lstatSync(target, { bigint: true, throwIfNoEntry: false });
    if (before?.isDirectory()) throw collision(target, "a directory is in the way");
    return source.bytes ? writeBytes(target, source.bytes, before) : placeFile(target, source, wish, before);
  };
  try {
    try {
      return await place();
    } catch (error) {
      if (errno(error) !== "ENOENT") throw error;
      // somebody removed a directory that was there a moment ago
      made.at = 0;
      return await place();
    }
  } catch (error) {
    if (error instanceof CofferError) throw error;
    throw new CofferError("UNREADABLE", `cannot place ${target}: ${reason(error)}`, {
      hint: "give this user the right to write there, or unset tracking.mlflow.artifact_root",
      cause: error,
    });
  }
}

/** The same name at each try, so that a try that was killed leaves nothing behind. */
export function partBeside(target: string): string {
  return join(dirname(target), `.coffer-${Bun.hash(basename(target)).toString(16).padStart(16, "0")}.part`);
}

/** Takes away what a process that was killed while it placed a file left below a run's directory. `paths`: of files there; nobody else may be placing any. */
export function dropLeftovers(directory: string, paths: Iterable<string>): void {
  for (const path of paths) if (LEFTOVER.test(path)) rmSync(join(directory, path), { force: true });
}

/** The older ones have six digits. */
const LEFTOVER = /(^|\/)\.coffer-([0-9a-f]{16}|[0-9a-f]{6})\.part$/;

/** A file of a few kilobytes takes four calls of the system, not a dozen. */
function writeBytes(target: string, bytes: Uint8Array, before: BigIntStats | undefined): Placed {
  const part = partBeside(target);
  const fd = openFresh(part);
  try {
    try {
      writeWhole(fd, bytes);
    } finally {
      closeSync(fd);
    }
    syncPoint("sync.file-placed");
    renameSync(part, target);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
  return { how: "copy", replaced: before !== undefined };
}

async function placeFile(target: string, source: UploadSource, wish: ShareWish, before: BigIntStats | undefined): Promise<Placed> {
  const { fd, offset } = source.open();
  try {
    const blob = fstatSync(fd, { bigint: true });
    // rename() between two links of one inode does nothing and leaves both
    if (before && sameFile(before, blob)) return { how: "link", replaced: false };
    const part = partBeside(target);
    rmSync(part, { force: true });
    try {
      const how = await fill(part, fd, offset, source, wish, blob);
      syncPoint("sync.file-placed");
      renameSync(part, target);
      return { how, replaced: before !== undefined };
    } finally {
      rmSync(part, { force: true });
    }
  } finally {
    closeSync(fd);
  }
}

async function fill(
  part: string,
  fd: number,
  offset: number,
  source: UploadSource,
  wish: ShareWish,
  blob: BigIntStats,
): Promise<Placed["how"]> {
  const whole = source.path !== undefined && offset === 0 && blob.isFile() && blob.size === BigInt(source.size);
  if (whole && (wish === "auto" || wish === "clone") && cloneOpened(fd, blob.dev, part)) {
    checkSize(part, source);
    chmodSync(part, 0o644);
    return "clone";
  }
  if (whole && (wish === "auto" || wish === "link") && link(part, source.path as string, blob)) return "link";
  if (whole) {
    await copyOpened(fd, part);
    chmodSync(part, 0o644);
  } else copyRange(part, fd, offset, source.size);
  checkSize(part, source);
  return "copy";
}

function checkSize(part: string, source: UploadSource): void {
  if (lstatSync(part).size !== source.size)
    throw new CofferError("CORRUPT", `${source.path ?? "a stored file"} changed while it was copied`, { hint: "run coffer verify" });
}

function link(part: string, path: string, blob: BigIntStats): boolean {
  if (blob.size === 0n || (blob.mode & 0o777n) !== 0o444n) return false;
  try {
    linkSync(path, part);
  } catch (error) {
    // another disk, no links here, or too many of them on this file
    if (["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOENT"].includes(errno(error) ?? "")) return false;
    throw error;
  }
  if (sameFile(lstatSync(part, { bigint: true }), blob)) return true;
  // the path led to another file than the one that was opened
  rmSync(part, { force: true });
  return false;
}

function copyRange(part: string, from: number, offset: number, size: number): void {
  const to = openFresh(part);
  try {
    const buffer = new Uint8Array(Math.min(1 << 20, size));
    for (let position = 0; position < size;) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, size - position));
      readSource(from, chunk, offset + position);
      writeWhole(to, chunk);
      position += chunk.length;
    }
  } finally {
    closeSync(to);
  }
}

/** What a try that was killed left goes first: it may be a link of a blob, and must not be written into. */
function openFresh(part: string): number {
  try {
    return openSync(part, "wx", 0o644);
  } catch (error) {
    if (errno(error) !== "EEXIST") throw error;
    rmSync(part);
    return openSync(part, "wx", 0o644);
  }
}

/** Makes the directories above `path`, one by one: none of them may be a link that leads out of the run. */
function makeDirectories(directory: string, path: string): void {
  const now = performance.now();
  if (made.directory !== directory || now - made.at > MOMENT) {
    mkdirSync(directory, { recursive: true });
    made = { directory, paths: new Set(), at: now };
  }
  for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) {
    const above = path.slice(0, end);
    if (made.paths.has(above)) continue;
    const at = join(directory, above);
    try {
      mkdirSync(at);
    } catch (error) {
      if (errno(error) !== "EEXIST") throw error;
      if (!lstatSync(at).isDirectory()) throw collision(at, "it is no directory");
    }
    made.paths.add(above);
  }
}

function collision(path: string, why: string): CofferError {
  return new CofferError("COLLISION", `cannot place ${path}: ${why}`, { hint: "log it under another path with --as" });
}

function sameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
