import {
  closeSync,
  constants,
  copyFileSync,
  chmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { BigIntStats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CofferError, errno, reason } from "../domain/error.ts";
import { checkArtifactPath } from "../domain/names.ts";
import { shortHash } from "./short-hash.ts";
import { readSource } from "./upload-source.ts";
import type { UploadSource } from "./upload-source.ts";

export type ShareWish = "auto" | "clone" | "link" | "copy";

export interface Placed {
  /** How the bytes came to be there. A wish that this disk cannot grant ends as a copy. */
  how: "clone" | "link" | "copy";
  /** Another file lay there before. */
  replaced: boolean;
}

/**
 * Puts a file where MLflow looks for it, on a disk that both see: `directory` is the run's, `path` what `remoteName` gave. `auto` clones where
 * the file system can, else links, else copies. Only whole, not empty files of mode 0444 are linked, and the caller never lets a file be
 * linked into a run that something else still logs to: MLflow's own client would write into the blob.
 * A reader sees the file wholly or not at all; an older one is replaced, never written into, since it may itself be a link of a blob.
 * Nothing is fsynced, as MLflow does not either: what a power cut takes is found by the next check, and the blob is still in the store.
 * @throws CofferError PATH_INVALID, COLLISION for a directory in the way, UNREADABLE for a disk that refuses, CORRUPT for a source that is too short
 */
export function placeShared(directory: string, path: string, source: UploadSource, wish: ShareWish): Placed {
  const target = join(directory, checkArtifactPath(path));
  const { fd, offset } = source.open();
  try {
    makeDirectories(directory, path);
    const before = lstatSync(target, { bigint: true, throwIfNoEntry: false });
    const blob = fstatSync(fd, { bigint: true });
    if (before?.isDirectory()) throw collision(target, "a directory is in the way");
    // rename() between two links of one inode does nothing and leaves both
    if (before && sameFile(before, blob)) return { how: "link", replaced: false };
    // the same name at each try, so that a try that was killed leaves nothing behind
    const temporary = join(dirname(target), temporaryOf(basename(target)));
    rmSync(temporary, { force: true });
    try {
      const how = fill(temporary, fd, offset, source, wish, blob);
      renameSync(temporary, target);
      return { how, replaced: before !== undefined };
    } finally {
      rmSync(temporary, { force: true });
    }
  } catch (error) {
    if (error instanceof CofferError) throw error;
    throw new CofferError("UNREADABLE", `cannot place ${target}: ${reason(error)}`, {
      hint: "give this user the right to write there, or unset tracking.mlflow.artifact_root",
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
}

/** Takes away what a process that was killed while it placed a file left below a run's directory. `paths`: of files there; nobody else may be placing any. */
export function dropLeftovers(directory: string, paths: Iterable<string>): void {
  for (const path of paths) if (LEFTOVER.test(path)) rmSync(join(directory, path), { force: true });
}

const LEFTOVER = /(^|\/)\.coffer-[0-9a-f]{6}\.part$/;

function temporaryOf(name: string): string {
  return `.coffer-${shortHash(name)}.part`;
}

function fill(temporary: string, fd: number, offset: number, source: UploadSource, wish: ShareWish, blob: BigIntStats): Placed["how"] {
  const whole = source.path !== undefined && offset === 0 && blob.isFile() && blob.size === BigInt(source.size);
  if (whole && (wish === "auto" || wish === "clone") && clone(temporary, fd, source.path as string, blob)) return "clone";
  if (whole && (wish === "auto" || wish === "link") && link(temporary, source.path as string, blob)) return "link";
  if (whole) {
    copyFileSync(openedPath(fd, source.path as string), temporary, constants.COPYFILE_EXCL);
    chmodSync(temporary, 0o644);
  } else copyRange(temporary, fd, offset, source.size);
  if (lstatSync(temporary).size !== source.size)
    throw new CofferError("CORRUPT", `${source.path ?? "a stored file"} changed while it was copied`, { hint: "run coffer verify" });
  return "copy";
}

function clone(temporary: string, fd: number, path: string, blob: BigIntStats): boolean {
  try {
    copyFileSync(openedPath(fd, path), temporary, constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    // "cannot clone" has many names: ENOTSUP, EXDEV, EINVAL, ENOSYS, ENOTTY. A full disk says so again when it comes to copying
    rmSync(temporary, { force: true });
    if (errno(error) === "EACCES" || errno(error) === "EROFS") throw error;
    return false;
  }
  if (lstatSync(temporary, { bigint: true }).size !== blob.size) return false;
  chmodSync(temporary, 0o644);
  return true;
}

function link(temporary: string, path: string, blob: BigIntStats): boolean {
  if (blob.size === 0n || (blob.mode & 0o777n) !== 0o444n) return false;
  try {
    linkSync(path, temporary);
  } catch (error) {
    // another disk, no links here, or too many of them on this file
    if (["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOENT"].includes(errno(error) ?? "")) return false;
    throw error;
  }
  if (sameFile(lstatSync(temporary, { bigint: true }), blob)) return true;
  // the path led to another file than the one that was opened
  rmSync(temporary, { force: true });
  return false;
}

function copyRange(temporary: string, from: number, offset: number, size: number): void {
  const to = openSync(temporary, "wx", 0o644);
  try {
    const buffer = new Uint8Array(Math.min(1 << 20, size));
    for (let position = 0; position < size;) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, size - position));
      readSource(from, chunk, offset + position);
      for (let at = 0; at < chunk.length;) at += writeSync(to, chunk, at, chunk.length - at);
      position += chunk.length;
    }
  } finally {
    closeSync(to);
  }
}

/** The file that is open, whatever its path leads to by now; only Linux can name it. */
function openedPath(fd: number, path: string): string {
  return process.platform === "linux" ? `/proc/self/fd/${fd}` : path;
}

/** Makes the directories above `path`, one by one: none of them may be a link that leads out of the run. */
function makeDirectories(directory: string, path: string): void {
  mkdirSync(directory, { recursive: true });
  let at = directory;
  for (const part of path.split("/").slice(0, -1)) {
    at = join(at, part);
    try {
      mkdirSync(at);
    } catch (error) {
      if (errno(error) !== "EEXIST") throw error;
      if (!lstatSync(at).isDirectory()) throw collision(at, "it is no directory");
    }
  }
}

function collision(path: string, why: string): CofferError {
  return new CofferError("COLLISION", `cannot place ${path}: ${why}`, { hint: "log it under another path with --as" });
}

function sameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
