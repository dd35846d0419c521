import { closeSync, fstatSync } from "node:fs";
import { openRegular } from "../../blobs/copy.ts";
import { isOpenForWriting } from "../../blobs/open-for-writing.ts";
import { hasStamp } from "../../blobs/source-stamp.ts";
import type { SourceStamp } from "../../blobs/source-stamp.ts";

/**
 * Whether a file is the very one of a stamp, and nobody has it open for writing, or mapped so: such a one may change it without a trace in its times. False as well where the kernel does not
 * say. The descriptor must be one that only reads.
 */
export function isFinished(fd: number, stamp: SourceStamp): boolean {
  // whoever wrote to it and was gone when we asked for that has left a trace by then
  return isUnchanged(fd, stamp) && isOpenForWriting(fd) === false && isUnchanged(fd, stamp);
}

/** The same of a path. What cannot be opened is not finished: it is told of when it is to be stored. */
export function isFinishedAt(path: string, stamp: SourceStamp): boolean {
  try {
    const { fd } = openRegular(path);
    try {
      return isFinished(fd, stamp);
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** It has a name still: what is being removed need not be read. */
export function isUnchanged(fd: number, stamp: SourceStamp): boolean {
  const stat = fstatSync(fd, { bigint: true });
  return stat.nlink > 0n && hasStamp(stat, stamp);
}
