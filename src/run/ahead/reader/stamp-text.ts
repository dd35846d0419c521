import type { SourceStamp } from "../../../blobs/source-stamp.ts";

/** A stamp on its way between two processes: JSON has no number that is long enough. */
export function stampToText({ size, mtime_ns, ctime_ns, inode, device }: SourceStamp): string {
  return [size, mtime_ns, ctime_ns, inode, device].join(" ");
}

export function stampFromText(text: string): SourceStamp {
  const [size, mtime_ns, ctime_ns, inode, device] = text.split(" ").map(BigInt) as [bigint, bigint, bigint, bigint, bigint];
  return { size, mtime_ns, ctime_ns, inode, device };
}
