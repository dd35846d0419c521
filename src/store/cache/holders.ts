import * as leases from "../../db/bytes/leases.ts";
import type { LeaseRow } from "../../db/bytes/leases.ts";
import { self } from "../../domain/process-identity.ts";
import { processState, readerLeases } from "../lease.ts";
import type { Store } from "../store.ts";

/** `reader`: nobody but the one on whose behalf we ask. */
export type Holder = "nobody" | "reader" | "another";

/**
 * Tells who holds an entry of the cache. A run holds what it got until it has ended, a process outside of runs as long as it lives; what cannot be known counts
 * as alive. `reader`: the lease of the process for which this one works; this one's own holds are another's.
 */
export function holderOf(store: Store, reader: number | undefined): (path: string) => Holder {
  const names = reader === undefined ? [] : readerLeases(store, reader).map((lease) => readerName(leases.bySeq(store.db, lease)));
  // by token: a lease's seq is given again when it has gone
  const states = new Map<string, boolean>();
  const isLive = (lease: LeaseRow): boolean => {
    let live = states.get(lease.token);
    if (live === undefined) states.set(lease.token, (live = lease.kind === "run" || processState(lease) !== "dead"));
    return live;
  };
  return (path) => {
    const live = leases.holdersOf(store.db, path).filter(isLive);
    if (live.length === 0) return "nobody";
    // by name and not by lease: the same process may have two
    return live.every((lease) => lease.kind === "read" && names.includes(lease.wrapper)) ? "reader" : "another";
  };
}

function readerName(lease: LeaseRow | null): string | undefined {
  return lease?.kind === "read" && lease.wrapper !== JSON.stringify(self()) ? lease.wrapper : undefined;
}
