import { rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { moveAway } from "../../blobs/move-away.ts";
import { errno, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Lease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import type { GcItem, GcPlan } from "../plan/gc-plan.ts";

/** What a sweep did. */
export interface Swept {
  deleted: { kind: GcItem["kind"] | "cache"; what: string; bytes: number }[];
  /** What the plan has and what changed since: it stays. */
  stayed: { what: string; because: string }[];
  /** What could not be deleted. */
  failed: { what: string; error: string }[];
  /** Packs that were written anew; bytes before and after. */
  repacked: { from: string; to: string; before: number; after: number }[];
  /** What a purged dataset left to others and lies among theirs now. */
  rehoused: { what: string; from: string; to: string; bytes: number }[];
  /** Bytes on the disk. */
  freed: number;
  interrupted: boolean;
}

/** A sweep at work. */
export interface Sweep {
  readonly store: Store;
  readonly plan: GcPlan;
  readonly lease: Lease;
  /** The lease's own directory under `tmp/`; absolute. */
  readonly trash: string;
  readonly stop: () => boolean;
  readonly swept: Swept;
  /** Files that were renamed away and wait for the commit, and their bytes. */
  readonly moved: { path: string; what: string; bytes: number }[];
}

/** How many items one write transaction takes: others wait no longer than that. */
export const BATCH = 2000;

/** Batches of `items`, until the sweep is to stop. Handlers of signals run in between. */
export async function* batches<T>({ stop, swept }: Sweep, items: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let at = 0; at < items.length; at += BATCH) {
    await yieldToSignals();
    if (stop()) {
      swept.interrupted = true;
      return;
    }
    yield items.slice(at, at + BATCH);
  }
}

/** Takes the name of a file or directory away, inside a transaction; `unlinkMoved` takes the bytes, after it. What is gone already is fine. */
export function sweepAway(sweep: Sweep, path: string, what: string, bytes: number): void {
  const to = join(sweep.trash, String(sweep.moved.length));
  try {
    if (moveAway(path, to)) sweep.moved.push({ path: to, what, bytes });
    syncPoint("gc.moved-away");
  } catch (error) {
    // a part of the store that lies on another file system
    if (errno(error) !== "EXDEV") throw error;
    remove(path);
    sweep.swept.freed += bytes;
  }
}

export function unlinkMoved({ moved, swept }: Sweep): void {
  for (const { path, what, bytes } of moved.splice(0)) {
    try {
      syncPoint("gc.unlinking");
      remove(path);
      syncPoint("gc.unlinked");
      swept.freed += bytes;
    } catch (error) {
      swept.failed.push({ what, error: reason(error) });
    }
  }
}

function remove(path: string): void {
  try {
    // many times faster than rm, and nearly all are files
    unlinkSync(path);
  } catch (error) {
    if (errno(error) !== "ENOENT") rmSync(path, { recursive: true });
  }
}
