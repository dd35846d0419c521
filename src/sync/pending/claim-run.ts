import * as leases from "../../db/bytes/leases.ts";
import type { Who } from "../../domain/process-identity.ts";
import { dropLease, endLease, leaseState, takeLease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";

const LOOK_MS = 50;

export interface Claim extends Disposable {
  /** Another process delivers the run, or may do so: then this claim is none. */
  holder: Who | undefined;
}

/** Looks now and then whether somebody still delivers the run, until nobody does or the signal fires. */
export async function untilUnclaimed(store: Store, run: number, signal: AbortSignal | undefined): Promise<void> {
  const isClaimed = (): boolean =>
    leases.all(store.db).some((lease) => lease.kind === "sync" && lease.run === run && leaseState(lease, store.now()) !== "dead");
  while (!signal?.aborted && isClaimed()) await Bun.sleep(LOOK_MS);
}

/** Takes the run's sync lease. Two that delivered one run at once could make two of it, since MLflow has no idempotency key. */
export function claimRun(store: Store, run: number): Claim {
  return store.transaction(() => {
    for (const lease of leases.all(store.db)) {
      if (lease.kind !== "sync" || lease.run !== run) continue;
      if (leaseState(lease, store.now()) !== "dead") return { holder: JSON.parse(lease.wrapper) as Who, [Symbol.dispose]: () => undefined };
      endLease(store, lease);
    }
    const lease = takeLease(store, "sync", { run });
    return { holder: undefined, [Symbol.dispose]: () => dropLease(store, lease) };
  });
}
