import { openTables } from "../../db/garbage/tables.ts";
import * as leases from "../../db/bytes/leases.ts";
import { leaseState } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import type { GcPlan, GcRule } from "./gc-plan.ts";

// Whose the sets of a connection are: those of the plan that was made last, for as long as nothing else opens them.

/** Puts so many of a rule's, or of all, into the sets. */
export type Writer = (rule: GcRule | null, most: number) => void;

const latest = new WeakMap<Store, { plan: GcPlan; write: Writer }>();

/** Empties the sets of a store's connection: those of an earlier plan are gone. `stopped`: why nothing goes. */
export function openSets(store: Store, stopped: string | undefined): void {
  latest.delete(store);
  openTables(store.db, { leases: holding(store), stopped });
}

/** From here on the sets are this plan's. `write` fills them. */
export function ownSets(store: Store, plan: GcPlan, write: Writer): void {
  latest.set(store, { plan, write });
}

/** What fills the sets of this plan: all that reads or writes them comes through here. @throws Error where they were opened anew since: they are another's */
export function writerOf(store: Store, plan: GcPlan): Writer {
  const last = latest.get(store);
  if (last?.plan !== plan) throw new Error("another plan was made since this one");
  return last.write;
}

/**
 * Puts all that a plan has into the sets, of which a plan that is only shown needs the beginning. In one step, which no signal ends: a second or two, of a million rows.
 * @throws Error where another one was made since
 */
export function completeSets(store: Store, plan: GcPlan): void {
  writerOf(store, plan)(null, Infinity);
}

/** Leases that protect. A run's own outlives its processes until the run is adopted; what cannot be known counts as alive. */
export function holding(store: Store): number[] {
  return leases
    .all(store.db)
    .filter((lease) => lease.kind === "run" || leaseState(lease, store.now()) !== "dead")
    .map((lease) => lease.seq);
}
