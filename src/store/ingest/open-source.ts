import type { BigIntStats } from "node:fs";
import { openRegular } from "../../blobs/copy.ts";
import { CofferError, reason } from "../../domain/error.ts";

/**
 * Opens a file that somebody wants to be kept.
 * @throws CofferError UNREADABLE
 */
export function openSource(path: string): { fd: number; stat: BigIntStats } {
  try {
    return openRegular(path);
  } catch (error) {
    if (error instanceof CofferError) throw error;
    throw new CofferError("UNREADABLE", `${path} cannot be read: ${reason(error)}`, {
      hint: "check that it exists and that you may read it; nothing of it was stored",
      cause: error,
    });
  }
}
