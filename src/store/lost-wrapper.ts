import * as leases from "../db/bytes/leases.ts";
import { liveness, self } from "../domain/process-identity.ts";
import type { Who } from "../domain/process-identity.ts";
import type { Store } from "./store.ts";

/** Of a run that goes on although its wrapper has died: the pid of its command, null where that was not recorded. undefined: its wrapper lives, or may. */
export function lostWrapper(store: Store, run: number): { pid: number | null } | undefined {
  const lease = leases.ofRun(store.db, run);
  if (!lease || liveness(JSON.parse(lease.wrapper) as Who, self()) !== "dead") return undefined;
  return { pid: lease.child === null ? null : (JSON.parse(lease.child) as Who).pid };
}
