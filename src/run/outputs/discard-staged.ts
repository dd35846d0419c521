import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Lease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";

/** Removes what an ingest that failed, or died, left half staged: it takes room, and its names. `keep`: what else lies there, absolute. */
export function discardStaged(store: Store, lease: Lease, keep: readonly string[]): void {
  const directory = store.path("tmp", lease.token);
  if (lease.token === "" || !existsSync(directory)) return;
  for (const name of readdirSync(directory))
    if (!keep.includes(join(directory, name))) rmSync(join(directory, name), { recursive: true, force: true });
}
