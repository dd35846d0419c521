import type { BigIntStats } from "node:fs";
import type { FileStamp } from "../db/blobs.ts";

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
