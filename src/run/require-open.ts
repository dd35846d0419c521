import * as runs from "../db/records/runs.ts";
import { CofferError } from "../domain/error.ts";
import { holdsLease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import type { Begun } from "./begin.ts";

/**
 * Whether the run is still this wrapper's to write down. Somebody who could not see that it lives may have closed it by now: then what is recorded and written down of
 * it tells of its end, and nothing may be added to it that says otherwise.
 */
export function isOpen(store: Store, { run, lease }: Begun): boolean {
  return holdsLease(store, lease) && runs.bySeq(store.db, run.seq)?.id === run.id;
}

/** Inside the transaction that writes to the run. @throws CofferError PROTECTED */
export function requireOpen(store: Store, begun: Begun): void {
  if (isOpen(store, begun)) return;
  const { id } = begun.run;
  const state = runs.byId(store.db, id)?.state;
  const how = state === undefined || state === "running" ? "" : `, and is recorded as ${state}`;
  throw new CofferError("PROTECTED", `run ${id} was closed by another command while its own went on${how}`, {
    hint: `coffer show ${id} tells what is recorded of it`,
  });
}
