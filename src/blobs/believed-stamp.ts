import { fileSystemOf } from "../domain/file-system.ts";
import { isOpenForWriting } from "./open-for-writing.ts";
import { isWrittenOut } from "./written-out.ts";

/** Milliseconds: some file systems count in whole seconds, the others in ticks of the kernel, of 10 ms at most. */
const COARSEST = 2_000;

/**
 * Whether a later change is sure to give another ctime than the one that was seen. A file that changed a moment before it was read may change again within the same
 * tick, and look the same. `readAt`: when its reading began, in milliseconds. One that seems to be of the future (a clock was set back) is not settled.
 */
export function isSettled(ctimeNs: bigint, readAt: number): boolean {
  return isOlder(Number(ctimeNs / 1_000n) / 1_000, readAt, COARSEST);
}

/** Milliseconds. The kernel writes a page out within half a minute, and notices the next change of it then. */
const WRITTEN_OUT = 15 * 60_000;

/**
 * Whether an opened file whose bytes are read from now on will show by its ctime that it was changed. Who has it mapped may change it again and again without another
 * ctime, until the page is written out: so nothing of it may wait for that, or nobody may have it open for writing, or it must have been left alone for long.
 */
export function willTell(fd: number, ctimeMs: number, readAt: number): boolean {
  if (!isOlder(ctimeMs, readAt, COARSEST)) return false;
  return isOlder(ctimeMs, readAt, WRITTEN_OUT) || isWrittenOut(fd) || isOpenForWriting(fd) === false;
}

function isOlder(ctimeMs: number, readAt: number, by: number): boolean {
  return ctimeMs < readAt - by;
}

/**
 * Whose ctime is the kernel's own, and moves with each change. A server has a clock of its own, FAT has no ctime, memory never notices what is written through a mapping, ZFS only when
 * that reaches the disk, and what is mapped of an overlay belongs to another file.
 */
const EXACT = new Set(["ext4", "xfs", "btrfs", "f2fs", "bcachefs"]);

/** Whether a file's stamp is to be believed where it lies. `directory` exists. */
export function keepsExactTimes(directory: string): boolean {
  return EXACT.has(fileSystemOf(directory).name);
}
