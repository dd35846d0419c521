import { rmSync, unlinkSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { moveAway } from "../../blobs/move-away.ts";
import { errno, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Lease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import type { GcItem, GcPlan } from "../plan/gc-plan.ts";

export interface Deleted {
  kind: GcItem["kind"] | "cache";
  what: string;
  why: string;
  bytes: number;
  /** An item of the plan; else it went along with one: the bytes that only this one had, their copies in the cache, a pack that became empty. */
  planned: boolean;
}

/** How far a sweep is with what it does just now. */
export interface SweepStep {
  doing: "artifacts" | "blobs" | "packs" | "files" | "staging" | "workspaces";
  done: number;
  of: number;
}

/** What a sweep did. */
export interface Swept {
  deleted: Deleted[];
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

interface Moved {
  path: string;
  what: string;
  bytes: number;
}

/** A sweep at work. */
export interface Sweep {
  readonly store: Store;
  readonly plan: GcPlan;
  readonly lease: Lease;
  /** The lease's own directory under `tmp/`; absolute. */
  readonly trash: string;
  readonly stop: () => boolean;
  readonly tell: (step: SweepStep) => void;
  readonly swept: Swept;
  /** Files that were renamed away and wait for the commit, and their bytes. */
  readonly moved: Moved[];
  /** Reasons that were given, each once: a hundred thousand may have gone for the same one. */
  readonly words: Map<string, string>;
  /** How many were renamed away so far: each gets a number as its name. */
  count: number;
}

/** How many items the first write transaction takes. */
export const FIRST_BATCH = 250;
const LARGEST_BATCH = 4000;
const SMALLEST_BATCH = 20;
const AIM_MS = 250;

/** How many the next one takes, after one of `size` that took so many milliseconds: others, and who gave a signal, wait no longer than a moment, also on a slow disk. */
export function nextBatch(size: number, took: number): number {
  const better = Math.round(size * Math.min(2, AIM_MS / Math.max(took, 1)));
  return Math.min(LARGEST_BATCH, Math.max(SMALLEST_BATCH, better));
}

/** Whether the sweep is to end here. Handlers of signals run first. */
export async function isToStop({ stop, swept }: Pick<Sweep, "stop" | "swept">): Promise<boolean> {
  await yieldToSignals();
  if (stop()) swept.interrupted = true;
  return swept.interrupted;
}

/** Batches of `items`, until the sweep is to stop. */
export async function* batches<T>(sweep: Sweep, doing: SweepStep["doing"], items: readonly T[]): AsyncGenerator<readonly T[]> {
  let size = FIRST_BATCH;
  for (let at = 0; at < items.length;) {
    sweep.tell({ doing, done: at, of: items.length });
    if (await isToStop(sweep)) return;
    const batch = items.slice(at, at + size);
    const began = performance.now();
    yield batch;
    at += batch.length;
    size = nextBatch(size, performance.now() - began);
  }
}

/** Takes the name of a file or directory away, inside a transaction; `unlinkMoved` takes the bytes, after it. What is gone already is fine. */
export function sweepAway(sweep: Sweep, path: string, what: string, bytes: number): void {
  const to = join(sweep.trash, String(sweep.count++));
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
  for (const one of moved.splice(0)) {
    try {
      syncPoint("gc.unlinking");
      remove(one.path);
      syncPoint("gc.unlinked");
      swept.freed += one.bytes;
    } catch (error) {
      swept.failed.push({ what: one.what, error: reason(error) });
    }
  }
}

/** The same off this thread, for many files: a file system takes as long for them as the database for their rows. */
export async function unlinkBehind({ moved, swept }: Sweep): Promise<void> {
  const taken = moved.splice(0);
  if (taken.length === 0) return;
  syncPoint("gc.unlinking");
  await Promise.all(
    taken.map(async ({ path, what, bytes }) => {
      try {
        // what is no file goes the other way, and tells why it does not
        await unlink(path).catch(() => remove(path));
        swept.freed += bytes;
      } catch (error) {
        swept.failed.push({ what, error: reason(error) });
      }
    }),
  );
  syncPoint("gc.unlinked");
}

function remove(path: string): void {
  try {
    // many times faster than rm, and nearly all are files
    unlinkSync(path);
  } catch (error) {
    if (errno(error) !== "ENOENT") rmSync(path, { recursive: true });
  }
}
