import type { Database } from "bun:sqlite";
import { busyDatabase, isBusy } from "./busy-database.ts";
import { formatDuration } from "../../domain/quantity.ts";
import { holderOf } from "./lock-holder.ts";
import type { Use } from "./lock-holder.ts";

/** What to do with the words that a long wait calls for. */
export type Say = (words: string) => void;

/** How long SQLite waits by itself: then it is said that somebody is waited for. */
export const SLICE_MS = 1000;
/** Where nobody says how long. */
const PATIENCE_MS = 60_000;
/** When it is said, and then every minute. */
const SAID_MS = [0, 10_000, 30_000];
const EVERY_MS = 60_000;

const limits = new WeakMap<Database, number>();

/** How long those wait that use this connection, in milliseconds. */
export function limitWaits(db: Database, limit: number): void {
  limits.set(db, limit);
}

export function limitOf(db: Database): number {
  return limits.get(db) ?? PATIENCE_MS;
}

/** Until it is disposed of, nobody waits on this connection: what finds the database busy fails at once (STORE_BUSY). For work that a later command may do as well. */
export function withoutWaiting(db: Database): Disposable {
  const limit = limits.get(db);
  const { timeout } = db.query("PRAGMA busy_timeout").get() as { timeout: number };
  limits.set(db, 0);
  db.run("PRAGMA busy_timeout = 0");
  return {
    [Symbol.dispose]() {
      if (limit === undefined) limits.delete(db);
      else limits.set(db, limit);
      db.run(`PRAGMA busy_timeout = ${timeout}`);
    },
  };
}

/**
 * Tries until the database is free. While others write (or read, where that is in the way), it waits, says whom it waits for, and gives up when the connection's limit is over.
 * @throws CofferError STORE_BUSY
 */
export function patiently<T>(db: Database, attempt: () => T, say: Say, waitsFor: Use = "writers"): T {
  const began = performance.now();
  const limit = limitOf(db);
  let said = 0;
  // a signal that came while somebody still listens would be heard when the wait is over; a commit is short, and is not cut off before it has to wait
  let listening = waitsFor === "writers" ? deaf() : undefined;
  try {
    for (;;) {
      const left = limit - (performance.now() - began);
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw error;
        // before anybody is told: who is told may end it
        listening ??= deaf();
        const waited = performance.now() - began;
        // nobody gives up without having been told, and waits no longer than was said
        if (left <= 0 || (said > 0 && waited >= limit)) throw busyDatabase(error, { waited, who: holderOf(db, waitsFor) });
        const due = SAID_MS[said] ?? EVERY_MS * (said - SAID_MS.length + 1);
        if (waited >= due) {
          const { words } = holderOf(db, waitsFor);
          say(
            said === 0
              ? `waiting for the database: ${words}; gives up after ${Math.ceil(limit / 1000)} s`
              : `still waiting, for ${formatDuration(Math.floor(waited / 1000) * 1000)} by now: ${words}`,
          );
          said++;
        }
      }
    }
  } finally {
    listening?.();
  }
}

let deaf: () => () => void = () => () => undefined;

/**
 * SQLite waits without the event loop: a signal that somebody listens for would be heard at the very end. `hook` is called where a wait may begin, and what it
 * returns when that is over. Whatever waits has nothing half done, and may be ended.
 */
export function whileDeaf(hook: () => () => void): void {
  deaf = hook;
}
