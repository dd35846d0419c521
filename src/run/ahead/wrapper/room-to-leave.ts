import type { StatsFs } from "node:fs";

const SHARE = 0.1;
const AT_MOST = 10 * 2 ** 30;

/**
 * Bytes that copies which nobody has asked for yet leave free on a disk: a tenth of it, or 10 GiB where that is less; and as much as the run has written so far, since it may write that
 * much again.
 */
export function roomToLeave({ blocks, bsize }: Pick<StatsFs, "blocks" | "bsize">, written: number): number {
  return Math.max(Math.min(blocks * bsize * SHARE, AT_MOST), written);
}
