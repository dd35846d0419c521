import { closeSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errno } from "./error.ts";

/** What keeps a disk from taking bytes; the first three pass when there is room again. */
export type DiskTrouble = "full" | "no inodes" | "quota" | "read-only" | "denied" | "failing";

const WORDS: Record<DiskTrouble, string> = {
  full: "no space is left on its disk",
  "no inodes": "its disk has no inodes left: too many files, whatever their size",
  quota: "the disk quota of this user is used up",
  "read-only": "its disk is mounted read-only",
  denied: "this user may not write there",
  failing: "its disk reports errors",
};

const GC = "coffer gc shows what can go, with --workspaces or --max-versions N more";

const ADVICE: Record<DiskTrouble, string> = {
  full: `make room on its disk (df shows it; ${GC})`,
  "no inodes": `remove files from its disk, of whatever size (df -i shows it; ${GC})`,
  quota: `make room within the quota, or have it raised (${GC})`,
  "read-only": "mount it writable; what only reads, such as coffer ls or coffer get, works without",
  denied: "its directory must exist and be writable by you",
  failing: "look at what the kernel says of that disk (dmesg), and copy what matters",
};

export function troubleWords(trouble: DiskTrouble): string {
  return WORDS[trouble];
}

/** What to do; half a sentence. */
export function troubleAdvice(trouble: DiskTrouble): string {
  return ADVICE[trouble];
}

export function isShortage(trouble: DiskTrouble | undefined): boolean {
  return trouble === "full" || trouble === "no inodes" || trouble === "quota";
}

/** What a system error says of the disk that `directory` lies on; undefined where it says nothing. */
export function troubleOf(error: unknown, directory: string): DiskTrouble | undefined {
  switch (errno(error)) {
    case "ENOSPC":
      return lacksInodes(directory) ? "no inodes" : "full";
    case "EDQUOT":
      return "quota";
    case "EROFS":
      return "read-only";
    case "EACCES":
    case "EPERM":
      return "denied";
    case "EIO":
      return "failing";
    default:
      return undefined;
  }
}

const PROBE_BYTES = 64 << 10;
/** What a probe's file begins with: one that was killed leaves it. */
export const PROBE = ".coffer-probe-";

/**
 * Tries to write there: SQLite's errors do not tell a full disk from a used-up quota or a failing one. Leaves nothing. undefined: it takes what a database
 * needs at least.
 */
export function probeDisk(directory: string): DiskTrouble | undefined {
  const path = join(directory, `${PROBE}${process.pid}-${Bun.randomUUIDv7().slice(-12)}`);
  try {
    const fd = openSync(path, "wx", 0o600);
    try {
      const bytes = Buffer.alloc(PROBE_BYTES, 1);
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    return undefined;
  } catch (error) {
    return troubleOf(error, directory);
  } finally {
    removeQuietly(path);
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // what keeps it from being removed kept it from being made
  }
}

function lacksInodes(directory: string): boolean {
  try {
    const { files, ffree } = statfsSync(directory);
    // file systems that make inodes as they need them say 0 of both
    return files > 0 && ffree === 0;
  } catch {
    return false;
  }
}
