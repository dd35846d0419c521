import { chmodSync, closeSync, lstatSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadBlake3 } from "../../blobs/blake3.ts";
import { copyChecked } from "../../blobs/copy-checked.ts";
import { openRegular } from "../../blobs/copy.ts";
import { syncDirectory, syncPath } from "../../blobs/durable.ts";
import { isOpenForWriting } from "../../blobs/open-for-writing.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { isUnmoved } from "../../store/damage/put-back.ts";
import { settleMoved } from "../../store/ingest/ingest.ts";
import type { Moved } from "../../store/ingest/admitted.ts";
import { stampOf } from "../../store/bytes/stamp.ts";
import { abandonLease, staging, takeLease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import { isShared, unshare } from "../child/unshare.ts";

export interface SettledFiles {
  /** What others may still write to, since no copy could be made. */
  shared: { source: string; why: string; byName: boolean }[];
  /** What was written to after it had been stored. */
  damaged: string[];
}

/**
 * Ends the sharing of bytes with a workspace whose names are gone, but for what stays of it, and makes the blobs read-only. What was written to meanwhile is told, and
 * keeps the stamp by which `get` and `verify` find it.
 */
export async function settleFiles(store: Store, moved: readonly Moved[]): Promise<SettledFiles> {
  const found: SettledFiles = { shared: [], damaged: [] };
  const sound: Moved[] = [];
  for (const file of moved) {
    const { source, path } = file;
    const row = blobs.bySeq(store.db, file.blob);
    if (!row || !lstatSync(path, { throwIfNoEntry: false })) continue;
    try {
      const outcome = await settleFile(store, file, row);
      if (outcome === "damaged") found.damaged.push(source);
      else if (outcome === "sound") sound.push(file);
    } catch (error) {
      found.shared.push({ source, why: reason(error), byName: isShared(source, path) });
    }
  }
  settleMoved(store, sound);
  return found;
}

async function settleFile(store: Store, { source, path }: Moved, row: BlobRow): Promise<"sound" | "replaced" | "damaged"> {
  for (;;) {
    if (wasWritten(path, row)) {
      unshare(source, path);
      return "damaged";
    }
    if (isHeld(path)) {
      if (await giveOwnBytes(store, path, row)) return "replaced";
      unshare(source, path);
      return "damaged";
    }
    // without a name in the workspace nobody can open it any more: this was the last look
    if (!isShared(source, path)) return "sound";
    unshare(source, path);
  }
}

function wasWritten(path: string, row: BlobRow): boolean {
  const stat = lstatSync(path, { bigint: true });
  return stat.size !== BigInt(row.size) || stat.mtimeNs !== row.mtime_ns;
}

/** A process that is left may have opened it after we looked for such, or have it where nobody can look. */
function isHeld(path: string): boolean {
  const { fd } = openRegular(path);
  try {
    return isOpenForWriting(fd) === true;
  } finally {
    closeSync(fd);
  }
}

/** Puts a copy in the place of a blob that somebody has open: what they write goes nowhere, or to the workspace. False where they have written already. */
async function giveOwnBytes(store: Store, path: string, row: BlobRow): Promise<boolean> {
  const lease = takeLease(store, "ingest");
  try {
    const copy = join(staging(store, lease), "own");
    const { fd } = openRegular(path);
    try {
      if (!(await copyChecked(fd, copy, row.blake3 as Uint8Array, await loadBlake3()))) return false;
    } finally {
      closeSync(fd);
    }
    chmodSync(copy, 0o444);
    await syncPath(copy);
    syncPoint("scratch.copied");
    store.transaction(() => {
      // a sweep may have taken it elsewhere
      if (!isUnmoved(blobs.bySeq(store.db, row.seq), row)) return;
      renameSync(copy, path);
      syncDirectory(dirname(path));
      syncPoint("scratch.replaced");
      blobs.restamp(store.db, row.seq, stampOf(lstatSync(path, { bigint: true })));
    });
    return true;
  } finally {
    abandonLease(store, lease);
  }
}
