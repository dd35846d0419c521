import { fchmodSync, fstatSync, openSync, rmSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { cloneOpened, copyOpened, hashFile, linkOpened } from "../../blobs/copy.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { copyMadeAhead } from "./ahead-files.ts";
import type { AheadFile } from "./ahead-files.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import type { StagingArea } from "./staging-area.ts";

/** A file that somebody wants to be kept. */
export interface Source {
  fd: number;
  /** Of the descriptor, when it was opened. */
  stat: BigIntStats;
  absolute: string;
  /** Within its unit. */
  path: string;
  /** It was not read yet, and found to be changing. */
  isFirst: boolean;
  /** What is known of this very file, as it is now. */
  ahead: AheadFile | undefined;
}

/**
 * Gives an opened file's bytes a file of their own in the staging directory: its inode, a clone or a copy. What is hashed is what was written; meanwhile it reaches the disk.
 * Nothing is read of what was read ahead and has not changed since, and nothing is written of what the store has.
 * Returns its number among the staged blobs; undefined where its inode was to become the blob, and somebody wrote to it meanwhile.
 */
export async function readIntoFile(area: StagingArea, unit: IngestUnit, source: Source): Promise<number | undefined> {
  await area.flushes.room();
  const { fd, stat, absolute, ahead } = source;
  const said = ahead && Buffer.from(ahead.hex, "hex");
  const before = said && (await area.findIntact(said));
  if (before !== undefined) return before;
  const copy = ahead && copyMadeAhead(ahead);
  if (said && copy !== undefined) return area.addFile(said, Number(stat.size), { path: copy, moved: undefined, ...named(unit, source) });
  const target = area.newName("blob");
  const mayMove = unit.move && source.isFirst && stat.nlink === 1n && !(area.options.openElsewhere?.(stat, fd) ?? false);
  const moved = mayMove && linkOpened(absolute, stat, target);
  // of what was read ahead and is still the same, the store was asked already
  if (!moved && !ahead) {
    const known = await knownByReading(area, fd, stat);
    if (known !== undefined) return known;
  }
  if (!moved && !cloneOpened(fd, stat.dev, target)) await copyOpened(fd, target);
  syncPoint(moved ? "ingest.moved-in" : "ingest.copied");
  const isOurs = !moved || absolute.startsWith(area.store.path("tmp/"));
  const { digest, size } = await flushAndHash(area, target, { closes: isOurs, ahead: moved ? ahead : undefined });
  const now = moved ? fstatSync(fd, { bigint: true }) : stat;
  const isWritten = now.size !== stat.size || now.mtimeNs !== stat.mtimeNs;
  const known = isWritten ? undefined : await area.findIntact(digest);
  if (isWritten || known !== undefined) {
    rmSync(target);
    return known;
  }
  const movedIn = moved ? { source: absolute, mtime_ns: now.mtimeNs } : undefined;
  return area.addFile(digest, size, { path: target, moved: movedIn, ...named(unit, source) });
}

/** `ahead`: of the very inode, which has not changed since. */
async function flushAndHash(
  area: StagingArea,
  path: string,
  { closes, ahead }: { closes: boolean; ahead: AheadFile | undefined },
): Promise<{ digest: Buffer; size: number }> {
  if (ahead?.flushed && !closes) return { digest: Buffer.from(ahead.hex, "hex"), size: Number(ahead.stamp.size) };
  const fd = openSync(path, "r");
  let flushed = Promise.resolve();
  try {
    if (closes) fchmodSync(fd, 0o444);
    flushed = area.flushes.begin(fd);
    if (ahead) return { digest: Buffer.from(ahead.hex, "hex"), size: Number(ahead.stamp.size) };
    const hasher = area.blake3.hasher();
    const size = await hashFile(fd, hasher);
    return { digest: hasher.digest(), size };
  } finally {
    area.flushes.closeAfter(flushed, fd);
  }
}

/** What a blob's file is named after. */
function named({ kind, type, class: className }: IngestUnit, { path }: Source): { type: string; class: string | null; original: string } {
  return kind === "tree" ? { type: "file", class: null, original: path } : { type, class: className, original: path };
}

/** Before a copy is made: a store that has a blob of this very size may have this one. */
async function knownByReading(area: StagingArea, fd: number, stat: BigIntStats): Promise<number | undefined> {
  if (!area.hasSize(stat.size)) return undefined;
  const hasher = area.blake3.hasher();
  await hashFile(fd, hasher);
  return area.findIntact(hasher.digest());
}
