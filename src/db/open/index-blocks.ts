import { readdirSync, readlinkSync } from "node:fs";
import type { StatsFs } from "node:fs";
import { dirname } from "node:path";
import { diskFigures } from "../../domain/file-system.ts";
import { openLibc } from "../../domain/libc.ts";

const PAGE_BYTES = 4096;
/** Of the index that SQLite has beside its log; enough for a transaction of 32 MiB. */
const INDEX_BYTES = 64 << 10;
const KEEP_SIZE = 1;

/**
 * Whether the index of a write-ahead log may end this process with SIGBUS, and would do so now (`isShort`); undefined where it never does. SQLite maps it, and has the end of each page of it get a block before. Where a block is
 * less than a page, the rest gets its blocks when it is written to, and a full disk answers that with a signal.
 */
export function indexDanger(figures: StatsFs | undefined): { isShort: boolean } | undefined {
  if (!figures) return undefined;
  const { bavail, bsize, blocks } = figures;
  return blocks > 0 && bsize < PAGE_BYTES ? { isShort: bavail * bsize < INDEX_BYTES } : undefined;
}

/**
 * Gives the index of an open database all of its blocks. By the descriptor that SQLite has: to open and close the file once more would drop the locks of this
 * process. False where the disk has no room for them; a system that cannot do it is believed to need it not.
 */
export function allocateIndex(path: string): boolean {
  const descriptor = descriptorOf(`${path}-shm`);
  if (descriptor === undefined) return true;
  return allocate(descriptor) || indexDanger(diskFigures(dirname(path)))?.isShort === false;
}

function allocate(descriptor: number): boolean {
  try {
    const { symbols } = openLibc({ fallocate: { args: ["int", "int", "i64", "i64"], returns: "int" } });
    return symbols.fallocate(descriptor, KEEP_SIZE, 0, INDEX_BYTES) === 0;
  } catch {
    return false;
  }
}

function descriptorOf(path: string): number | undefined {
  if (process.platform !== "linux") return undefined;
  return readdirSync("/proc/self/fd")
    .map(Number)
    .find((descriptor) => linkOf(descriptor) === path);
}

function linkOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // the one by which the list was read
    return undefined;
  }
}
