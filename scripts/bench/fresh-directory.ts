import { mkdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { settle } from "./random-files.ts";
import type { Contestant } from "./subject.ts";

/**
 * ext4 without a journal makes new files slowly where others went a moment before (docs/decisions.md, Measuring). It spreads the children of a directory with this mark
 * over the disk, by the names that they are made under. On other file systems the mark has no meaning.
 */
export function markAsSpread(directory: string): void {
  if (process.platform === "linux" && Bun.which("chattr")) Bun.spawnSync(["chattr", "+T", directory]);
}

/** A new empty directory. In a marked one it lies elsewhere on the disk than the one of this path before it, since it is made under another name. */
export function makeFreshDirectory(path: string): void {
  const elsewhere = aside(dirname(path));
  mkdirSync(elsewhere);
  renameSync(elsewhere, path);
}

/** Bytes of free disk with which nothing needs to go before the end. */
const ROOM = 30e9;

/** Takes a directory out of the way: it goes with what it is put into, or at once where the disk has little room (`free`, in bytes). */
export function retireDirectory(path: string, into = dirname(path), free = freeBytes(into)): void {
  if (free > ROOM) renameSync(path, aside(into));
  else rmSync(path, { recursive: true, force: true });
}

/** For a directory that is new for each timed run. `fill` makes what is to be there before the clock starts, and `look` sees what is there behind it. */
export function freshRounds(
  path: string,
  fill?: () => Promise<unknown>,
  look?: () => Promise<void> | void,
): Pick<Contestant, "before" | "after"> {
  return {
    async before() {
      makeFreshDirectory(path);
      await fill?.();
      await settle(path);
    },
    async after() {
      await look?.();
      retireDirectory(path);
      await settle(dirname(path));
    },
  };
}

/** Bytes that can still be written there. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

function aside(into: string): string {
  return join(into, `gone-${randomUUID()}`);
}
