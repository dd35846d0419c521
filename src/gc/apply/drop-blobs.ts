import { lstatSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import * as leases from "../../db/bytes/leases.ts";
import { condemnBlobs, forgetBlobs, forgetCacheEntries, goingBlobs, memberCounts, takeNext, trash } from "../../db/garbage/sweeping.ts";
import type { GoingBlob } from "../../db/garbage/sweeping.ts";
import { reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { batches, isToStop, sweepAway, unlinkBehind } from "./swept.ts";
import type { Sweep } from "./swept.ts";

/** Deletes blobs that nothing names, `planned` among them, and then what was named by them alone (steps 3 to 5 of the sweep). */
export async function dropBlobs(sweep: Sweep, unnamed: Iterable<number>, planned: ReadonlySet<number>): Promise<void> {
  const { store, swept } = sweep;
  let unlinking = Promise.resolve();
  try {
    for (let wave = inOrder(unnamed); wave.length > 0 && !swept.interrupted; wave = takeNext(store.db)) {
      for await (const batch of batches(sweep, "blobs", wave)) {
        store.transaction(() => {
          condemnBlobs(store.db, batch, store.now());
          trash(store.db, batch);
          syncPoint("gc.trashing");
        });
        syncPoint("gc.trashed");
        for (const part of partsOf(batch, memberCounts(store.db, batch))) {
          if (part !== batch && (await isToStop(sweep))) break;
          store.transaction(() => {
            const dropped = dropBatch(sweep, part, planned);
            forgetBlobs(store.db, dropped, store.now());
            for (const copy of forgetCacheEntries(store.db, dropped)) dropCopy(sweep, copy);
            syncPoint("gc.forgotten");
          });
          await unlinking;
          unlinking = unlinkBehind(sweep);
        }
      }
    }
  } finally {
    await unlinking;
  }
}

/** Members of directories that go with one write transaction; some 4 µs each. One directory goes as a whole. */
const MOST_MEMBERS = 50_000;

/** A batch as it is, or cut where the directories in it have too many members. Those that are left when the sweep stops are trashed, and go with another plan. */
function partsOf(batch: readonly number[], members: ReadonlyMap<number, number>): (readonly number[])[] {
  const cuts: number[] = [];
  let weight = 0;
  for (const [nth, seq] of batch.entries()) {
    const count = members.get(seq) ?? 0;
    if (weight > 0 && weight + count > MOST_MEMBERS) {
      cuts.push(nth);
      weight = 0;
    }
    weight += count;
  }
  if (cuts.length === 0) return [batch];
  return [0, ...cuts].map((from, nth) => batch.slice(from, cuts[nth]));
}

/** Each once, in the order of the rows: neighbours lie in one page. */
function inOrder(blobs: Iterable<number>): number[] {
  return [...new Uint32Array(new Set(blobs)).sort()];
}

/** Moves the files of those away that are trashed still. Returns what may be forgotten. */
function dropBatch(sweep: Sweep, batch: readonly number[], planned: ReadonlySet<number>): number[] {
  const rows = new Map(goingBlobs(sweep.store.db, batch).map((row) => [row.seq, row]));
  const held = leases.heldAmong(sweep.store.db, batch);
  // one without a row is gone already
  return batch.filter((seq) => {
    const row = rows.get(seq);
    return row === undefined || dropOne(sweep, row, { isHeld: held.has(seq), isPlanned: planned.has(seq) });
  });
}

/** True where its row may go. */
function dropOne(sweep: Sweep, row: GoingBlob, { isHeld, isPlanned }: { isHeld: boolean; isPlanned: boolean }): boolean {
  const { swept } = sweep;
  const { what, path } = row;
  if (row.state !== "trashed" || isHeld) {
    swept.stayed.push({ what, because: row.state === "trashed" ? "a live process uses it now" : "it is wanted again" });
    return false;
  }
  try {
    if (path !== null) moveOwnFile(sweep, row, path);
  } catch (error) {
    swept.failed.push({ what, error: reason(error) });
    return false;
  }
  swept.deleted.push({
    kind: "blob",
    what,
    why: isPlanned ? "no artifact names it" : "only what went named it",
    bytes: path === null ? 0 : row.size,
    planned: isPlanned,
  });
  return true;
}

const CLOCK_SLACK_MS = 20;

/**
 * Its own file only: where the file was gone already, an ingest of the same bytes may have put another one at that place, which no row names yet.
 * That one was put there after the blob was condemned.
 */
function moveOwnFile(sweep: Sweep, { seq, what, size, condemned_at }: GoingBlob, below: string): void {
  const path = sweep.store.path(below);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isFile()) throw new Error("something that is no file lies there");
  // nearly all are older: then nobody has to ask to the nanosecond, which takes longer
  if (stat.ctimeMs < (condemned_at ?? 0) - CLOCK_SLACK_MS || isSame(sweep, path, seq)) sweepAway(sweep, path, what, size);
}

/** Whether it is the file that was hashed. */
function isSame({ store }: Sweep, path: string, seq: number): boolean {
  const row = blobs.bySeq(store.db, seq);
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return row !== null && stat !== undefined && stat.ino === row.inode && stat.mtimeNs === row.mtime_ns;
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
