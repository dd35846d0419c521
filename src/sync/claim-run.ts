import * as leases from "../db/leases.ts";
import type { Who } from "../domain/process-identity.ts";
import { dropLease, endLease, leaseState, takeLease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";

export interface Claim extends Disposable {
  /** Another process delivers the run, or may do so: then this claim is none. */
  holder: Who | undefined;
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
