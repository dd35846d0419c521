import type { Database } from "bun:sqlite";
import { CofferError, errno } from "../../domain/error.ts";
import { formatDuration } from "../../domain/quantity.ts";
import { holderOf } from "./lock-holder.ts";

/** What to do with the words that a long wait calls for. */
export type Say = (words: string) => void;

/** How long SQLite waits by itself: then it is said that somebody is waited for. */
export const SLICE_MS = 1000;
/** Where nobody says how long. */
const PATIENCE_MS = 60_000;
/** When it is said again. */
const AGAIN_MS = [10_000, 30_000];
const EVERY_MS = 60_000;

const limits = new WeakMap<Database, number>();

/** How long those wait that use this connection, in milliseconds. */
export function limitWaits(db: Database, limit: number): void {
  limits.set(db, limit);
}

export function limitOf(db: Database): number {
  return limits.get(db) ?? PATIENCE_MS;
}

export function isBusy(error: unknown): boolean {
  const code = errno(error) ?? "";
  // PROTOCOL: too many others opened a write-ahead log at the same moment
  return code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED") || code === "SQLITE_PROTOCOL";
}

/**
 * Tries until the database is free. While others write, it waits, says whom it waits for, and gives up when the connection's limit is over.
 * @throws CofferError STORE_BUSY
 */
export function patiently<T>(db: Database, attempt: () => T, say: Say): T {
  const began = performance.now();
  const limit = limitOf(db);
  const moments = [0, ...AGAIN_MS];
  let listening: (() => void) | undefined;
  try {
    for (;;) {
      const left = limit - (performance.now() - began);
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw error;
        const waited = performance.now() - began;
        if (left <= 0) throw busy(db, waited, error);
        const due = moments[0] as number;
        if (waited >= due) {
          moments.shift();
          if (moments.length === 0) moments.push(due + EVERY_MS);
          const { words } = holderOf(db);
          say(
            due === 0
              ? `waiting for the database: ${words}; gives up after ${Math.ceil(limit / 1000)} s`
              : `still waiting, for ${formatDuration(Math.floor(waited / 1000) * 1000)} by now: ${words}`,
          );
        }
        listening ??= deaf();
      }
    }
  } finally {
    listening?.();
  }
}

/** What a user is told whose patience is over. */
export function busy(db: Database | undefined, waited: number, cause: unknown): CofferError {
  const holder = db && holderOf(db);
  const whom = holder ? holder.words : "another process is using it";
  const long = waited < SLICE_MS ? "" : ` after ${formatDuration(Math.floor(waited / 1000) * 1000)}`;
  return new CofferError("STORE_BUSY", `the database of this store is still busy${long}: ${whom}`, {
    hint: `${holder?.todo ?? "see in your process list what is at work in this store, and wait until it is done"}; then try again. Nothing of this step was kept. artifact_store.busy_timeout says how long to wait; coffer doctor tries whether locks work here`,
    cause,
  });
}

let deaf: () => () => void = () => () => undefined;

/**
 * SQLite waits without the event loop: a signal that somebody listens for would be heard at the very end. `hook` is called when a wait becomes long, and what it
 * returns when that is over. Whatever waits has nothing half done, and may be ended.
 */
export function whileDeaf(hook: () => () => void): void {
  deaf = hook;
}
