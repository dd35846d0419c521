import * as entries from "../../db/bytes/cache-entries.ts";
import * as metadata from "../../db/open/metadata.ts";
import { holderOf } from "./holders.ts";
import { existsInCache } from "./evict.ts";
import type { Store } from "../store.ts";

export interface CacheStats {
  /** Copies that are there. */
  entries: number;
  bytes: number;
  /** Of them by a live process or a run. */
  held: number;
  /** Readers that found a copy. Those of a blob's own file are in neither number: it needs no copy. */
  hits: number;
  misses: number;
  /** hits / (hits + misses); null where nobody read yet. */
  rate: number | null;
  /** Copies that a limit took, ever. */
  evictions: number;
  evicted_bytes: number;
}

/** How the cache stands. Changes nothing. */
export function cacheStats(store: Store): CacheStats {
  const holder = holderOf(store, undefined);
  const there = entries.oldestFirst(store.db).filter((entry) => entry.stamp !== "" && existsInCache(store, entry.path));
  const counted = (key: string): number => Number(metadata.get(store.db, `cache.${key}`) ?? 0);
  const [hits, misses] = [counted("hits"), counted("misses")];
  return {
    entries: there.length,
    bytes: there.reduce((sum, entry) => sum + entry.size, 0),
    held: there.filter((entry) => holder(entry.path) !== "nobody").length,
    hits,
    misses,
    rate: hits + misses === 0 ? null : hits / (hits + misses),
    evictions: counted("evictions"),
    evicted_bytes: counted("evicted_bytes"),
  };
}
