import { lstatSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { moveAway } from "../../blobs/move-away.ts";
import { removeTree } from "../../blobs/remove-tree.ts";
import * as entries from "../../db/bytes/cache-entries.ts";
import type { CacheEntryRow } from "../../db/bytes/cache-entries.ts";
import * as damage from "../../db/bytes/damage.ts";
import * as leases from "../../db/bytes/leases.ts";
import * as metadata from "../../db/open/metadata.ts";
import { errno, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { holderOf } from "./holders.ts";
import type { Holder } from "./holders.ts";
import type { Limits } from "./limits.ts";
import { processLease, staging } from "../lease.ts";
import type { Store } from "../store.ts";

/** A copy that was taken away. */
export interface Taken extends Pick<CacheEntryRow, "path" | "size" | "last_used"> {
  /** The reader itself had got it, and still lives. */
  from: Holder;
}

/**
 * Brings the cache under its limits. Within them it costs one question.
 *
 * 1. Rows whose copy is gone (anybody may delete it), or was left half made by a crash, go.
 * 2. What lies in the cache and no row names goes.
 * 3. The least recently used copies go until the limits hold: never one that another holds, those of `reader` (a lease) like any other; nor one of bytes that
 *    are damaged in the store.
 *
 * Who holds an entry is asked in the transaction that takes it away, and a reader holds an entry before it looks for it.
 */
export function evict(store: Store, limits: Limits, reader?: number): Taken[] {
  const { entries: count, bytes, unfinished } = entries.sums(store.db);
  const isOver = exceeds(count, bytes, limits);
  if (!isOver && unfinished === 0) return [];
  const holder = holderOf(store, reader);
  const there = entries.oldestFirst(store.db).filter((entry) => {
    if (entry.stamp !== "" && (!isOver || existsInCache(store, entry.path))) return true;
    take(store, entry, holder, "lost");
    return false;
  });
  if (!isOver) return [];
  removeStrays(store);
  let [left, size] = [there.length, there.reduce((sum, entry) => sum + entry.size, 0)];
  const taken: Taken[] = [];
  const needed = damage.allWithDirectories(store.db);
  for (const entry of there) {
    if (!exceeds(left, size, limits)) break;
    if (needed.has(entry.blob)) continue;
    const from = take(store, entry, holder, "evicted");
    if (from === "another") continue;
    left--;
    size -= entry.size;
    if (from !== "gone") taken.push({ path: entry.path, size: entry.size, last_used: entry.last_used, from });
  }
  return taken;
}

/**
 * Takes all that nobody but `reader` holds, and whatever lies in the cache that no row names. These are no evictions: no limit asked for them. What is damaged
 * in the store stays, and that is said.
 */
export function clear(store: Store, reader?: number): Taken[] {
  const holder = holderOf(store, reader);
  const taken: Taken[] = [];
  const needed = damage.allWithDirectories(store.db);
  for (const entry of entries.oldestFirst(store.db)) {
    if (needed.has(entry.blob) && entry.stamp !== "") {
      store.say(`${store.path("cache", entry.path)} stays: the store's own bytes are damaged, and coffer verify --repair may need it`);
      continue;
    }
    const wasThere = entry.stamp !== "" && existsInCache(store, entry.path);
    const from = take(store, entry, holder, "cleared");
    if (wasThere && (from === "nobody" || from === "reader"))
      taken.push({ path: entry.path, size: entry.size, last_used: entry.last_used, from });
  }
  removeStrays(store);
  return taken;
}

/** Whether something lies under an entry's path. Its bytes are not looked at. */
export function existsInCache(store: Store, path: string): boolean {
  return lstatSync(store.path("cache", path), { throwIfNoEntry: false }) !== undefined;
}

/** Takes an entry's path away, and its directory where nothing else lies in it; `to` lies in this process' staging. */
export function takeAway(path: string, to: string): void {
  try {
    if (moveAway(path, to)) rmdirSync(dirname(path));
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(errno(error) ?? "")) throw error;
  }
}

/** A name of its own in this process' staging: what a crash leaves there goes with the next command. */
export function wayside(store: Store): string {
  return join(staging(store, processLease(store)), Bun.randomUUIDv7());
}

function exceeds(count: number, bytes: number, limits: Limits): boolean {
  return count > limits.max_entries || bytes > limits.max_size;
}

/** Who held it until now. `another`: it stays, for its holder, or since it was used meanwhile, or since it cannot be moved. */
function take(store: Store, entry: CacheEntryRow, holder: (path: string) => Holder, why: "lost" | "evicted" | "cleared"): Holder | "gone" {
  const away = wayside(store);
  try {
    const from = store.transaction(() => {
      const now = entries.get(store.db, entry.path);
      if (!now) return "gone";
      const from = now.last_used === entry.last_used ? holder(entry.path) : "another";
      if (from === "another") return from;
      entries.remove(store.db, entry.path);
      leases.forgetEntry(store.db, entry.path);
      if (why === "evicted") {
        metadata.count(store.db, "cache.evictions", 1);
        metadata.count(store.db, "cache.evicted_bytes", entry.size);
      }
      takeAway(store.path("cache", entry.path), away);
      syncPoint("cache.taken");
      return from;
    });
    syncPoint("cache.evicted");
    removeTree(away);
    return from;
  } catch (error) {
    store.say(`${store.path("cache", entry.path)} could not be taken out of the cache: ${reason(error)}`);
    return "another";
  }
}

/** An entry has its row before its directory is made, so what no row names is nobody's. */
function removeStrays(store: Store): void {
  for (const top of listOrNothing(store.path("cache"))) {
    const names = entries.isAnyIn(store.db, top) ? listOrNothing(store.path("cache", top)) : [""];
    for (const name of names) {
      const path = join(top, name);
      if (name !== "" && entries.get(store.db, path)) continue;
      const away = wayside(store);
      try {
        store.transaction(() => {
          const isNamed = name === "" ? entries.isAnyIn(store.db, top) : entries.get(store.db, path) !== null;
          if (!isNamed) takeAway(store.path("cache", path), away);
        });
        removeTree(away);
      } catch (error) {
        store.say(`${store.path("cache", path)} could not be taken out of the cache: ${reason(error)}`);
      }
    }
  }
}
