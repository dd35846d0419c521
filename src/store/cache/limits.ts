import type { Origin } from "../../config/settings.ts";
import * as journal from "../../db/records/journal.ts";
import * as metadata from "../../db/open/metadata.ts";
import type { Store } from "../store.ts";

export type LimitName = "max_size" | "max_entries";

/** Bytes, and a number of entries. 0 is off: no copy outlives its reader. */
export type Limits = Record<LimitName, number>;

/** `store`: `coffer cache set-size` gave it to this store. */
export type LimitOrigin = Origin | { source: "store"; where: string };

export const LIMIT_NAMES: readonly LimitName[] = ["max_size", "max_entries"];

/** What holds: the store's own limit where it was given one, else the configuration's. */
export function cacheLimits(store: Store): Limits {
  return {
    max_size: ownLimit(store, "max_size") ?? store.settings.values.cache.max_size,
    max_entries: ownLimit(store, "max_entries") ?? store.settings.values.cache.max_entries,
  };
}

export function limitOrigin(store: Store, name: LimitName): LimitOrigin {
  if (ownLimit(store, name) !== undefined) return { source: "store", where: "coffer cache set-size" };
  return store.settings.origin(`cache.${name}`);
}

/** Gives the store a limit of its own, which outranks the configuration; undefined takes it away again. */
export function setLimit(store: Store, name: LimitName, value: number | undefined): void {
  store.transaction(() => {
    if (value === undefined) metadata.remove(store.db, key(name));
    else metadata.set(store.db, key(name), String(value));
    journal.append(store.db, { at: store.now(), did: "cache-limit", name, value: value ?? null });
  });
}

export function isOff(limits: Limits): boolean {
  return limits.max_size === 0 || limits.max_entries === 0;
}

function ownLimit(store: Store, name: LimitName): number | undefined {
  const value = metadata.get(store.db, key(name));
  return value === undefined ? undefined : Number(value);
}

function key(name: LimitName): string {
  return `cache.${name}`;
}
