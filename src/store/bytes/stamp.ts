import type { BigIntStats } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import type { FileStamp } from "../../db/bytes/blobs.ts";
import * as packs from "../../db/bytes/packs.ts";
import type { Store } from "../store.ts";

export function stampOf(stat: BigIntStats): FileStamp {
  return { mtime_ns: stat.mtimeNs, ctime_ns: stat.ctimeNs, inode: stat.ino };
}

/** True where nothing has touched the file since its bytes were hashed. */
export function sameStamp(
  stat: BigIntStats,
  kept: { mtime_ns: bigint | null; ctime_ns: bigint | null; inode: bigint | null; size: number },
): boolean {
  return stat.size === BigInt(kept.size) && stat.mtimeNs === kept.mtime_ns && stat.ctimeNs === kept.ctime_ns && stat.ino === kept.inode;
}

/** The file of a blob, or of a pack, is whole and looks like this now. */
export function keepStamp(store: Store, of: "blob" | "pack", seq: number, stamp: FileStamp): void {
  if (of === "blob") blobs.restamp(store.db, seq, stamp);
  else packs.restamp(store.db, seq, stamp);
}
