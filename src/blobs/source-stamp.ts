import type { BigIntStats } from "node:fs";

/** What tells whether somebody's file is the very one that was read, unchanged. Nanoseconds. `believed-stamp.ts` says when it is to be believed. */
export interface SourceStamp {
  size: bigint;
  mtime_ns: bigint;
  ctime_ns: bigint;
  inode: bigint;
  device: bigint;
}

export function sourceStamp({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats): SourceStamp {
  return { size, mtime_ns: mtimeNs, ctime_ns: ctimeNs, inode: ino, device: dev };
}

/** Nobody can set ctime, so a file that was written to differs, whatever was done to its other times. */
export function hasStamp(stat: BigIntStats, stamp: SourceStamp): boolean {
  return sameSource(sourceStamp(stat), stamp);
}

export function sameSource(one: SourceStamp, other: SourceStamp): boolean {
  return (
    one.size === other.size &&
    one.mtime_ns === other.mtime_ns &&
    one.ctime_ns === other.ctime_ns &&
    one.inode === other.inode &&
    one.device === other.device
  );
}
