import { lstatSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as leases from "../../db/bytes/leases.ts";
import { condemn, forgetBlob, forgetCacheEntries, trash } from "../../db/garbage/sweeping.ts";
import { formatDigest } from "../../domain/digest.ts";
import { reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { hexOf } from "../../store/read.ts";
import { blobWords } from "../why/described.ts";
import { batches, sweepAway, unlinkMoved } from "./swept.ts";
import type { Sweep } from "./swept.ts";

/** Deletes blobs that nothing names, `planned` among them, and then what was named by them alone (steps 3 to 5 of the sweep). */
export async function dropBlobs(sweep: Sweep, unnamed: Iterable<number>, planned: ReadonlySet<number>): Promise<void> {
  const { store, swept } = sweep;
  for (let wave = [...new Set(unnamed)]; wave.length > 0 && !swept.interrupted;) {
    const next = new Set<number>();
    for await (const batch of batches(sweep, "blobs", wave)) {
      store.transaction(() => {
        for (const blob of batch) {
          condemn(store.db, blob, store.now());
          trash(store.db, blob);
        }
        syncPoint("gc.trashing");
      });
      syncPoint("gc.trashed");
      store.transaction(() => {
        const dropped = batch.filter((blob) => dropOne(sweep, blob, next, planned.has(blob)));
        for (const copy of forgetCacheEntries(store.db, dropped)) dropCopy(sweep, copy);
        syncPoint("gc.forgotten");
      });
      unlinkMoved(sweep);
    }
    wave = [...next];
  }
}

/** True where its row is gone. */
function dropOne(sweep: Sweep, blob: number, next: Set<number>, planned: boolean): boolean {
  const { store, swept } = sweep;
  const row = blobs.bySeq(store.db, blob);
  if (!row) return true;
  const digest = formatDigest({ algorithm: row.blake3 ? "blake3" : "sha256", hex: hexOf(row) });
  const what = blobWords({ path: row.place === "file" ? row.path : null, digest });
  if (row.state !== "trashed" || leases.holds(store.db, blob)) {
    swept.stayed.push({ what, because: row.state === "trashed" ? "a live process uses it now" : "it is wanted again" });
    return false;
  }
  const bytes = row.place === "file" ? row.size : 0;
  try {
    if (row.place === "file") moveOwnFile(sweep, row, what);
  } catch (error) {
    swept.failed.push({ what, error: reason(error) });
    return false;
  }
  for (const member of forgetBlob(store.db, blob)) if (condemn(store.db, member, store.now())) next.add(member);
  swept.deleted.push({ kind: "blob", what, why: planned ? "no artifact names it" : "only what went named it", bytes, planned });
  return true;
}

const CLOCK_SLACK_MS = 20;

/**
 * Its own file only: where the file was gone already, an ingest of the same bytes may have put another one at that place, which no row names yet.
 * That one was put there after the blob was condemned.
 */
function moveOwnFile(sweep: Sweep, row: BlobRow, what: string): void {
  const path = sweep.store.path(row.path as string);
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isFile()) throw new Error("something that is no file lies there");
  const isOwn =
    (stat.ino === row.inode && stat.mtimeNs === row.mtime_ns) || Number(stat.ctimeMs) < (row.condemned_at ?? 0) - CLOCK_SLACK_MS;
  if (isOwn) sweepAway(sweep, path, what, row.size);
}

function dropCopy(sweep: Sweep, copy: { path: string; size: number }): void {
  const { store, swept } = sweep;
  const path = store.path("cache", copy.path);
  try {
    sweepAway(sweep, path, store.keep(path), copy.size);
    swept.deleted.push({ kind: "cache", what: store.keep(path), why: "a copy of what went", bytes: copy.size, planned: false });
  } catch (error) {
    swept.failed.push({ what: store.keep(path), error: reason(error) });
  }
}
