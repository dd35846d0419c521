import { lstatSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { hasStamp } from "../../blobs/source-stamp.ts";
import type { SourceStamp } from "../../blobs/source-stamp.ts";

/** What somebody found out about a file before the ingest, while its run was still going. */
export interface AheadFile {
  /** Taken from the opened file before its first byte was read, and found the same after its last one, where times are exact and this one was settled (`believed-stamp.ts`). */
  stamp: SourceStamp;
  /** 64 hex digits of BLAKE3: of the bytes of the staged copy where there is one, otherwise of the file's own. */
  hex: string;
  /** A whole and flushed copy of mode 0444 in the staging directory of the ingest's own lease. The ingest may take it away. */
  staged?: string;
  /** The file itself was flushed before this stamp was looked at for the last time: the disk has its bytes. */
  flushed: boolean;
}

/** Asked for each file that does not go into a pack, by its absolute path. */
export interface AheadFiles {
  of(absolute: string): AheadFile | undefined;
}

/** What was found out about this very file as it is now. Where anything differs, it is read as if nobody had looked before. */
export function foundAhead(ahead: AheadFile | undefined, stat: BigIntStats): AheadFile | undefined {
  return ahead && hasStamp(stat, ahead.stamp) ? ahead : undefined;
}

/** Its copy, where that is still there: an earlier round of the same ingest may have used it up. */
export function copyMadeAhead({ staged, stamp }: AheadFile): string | undefined {
  if (staged === undefined) return undefined;
  const stat = lstatSync(staged, { bigint: true, throwIfNoEntry: false });
  return stat?.isFile() && stat.size === stamp.size && stat.nlink === 1n ? staged : undefined;
}
