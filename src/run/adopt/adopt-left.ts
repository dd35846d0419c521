import * as leases from "../../db/bytes/leases.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { of } from "../../domain/process-identity.ts";
import type { Store } from "../../store/store.ts";
import { closeRun } from "./adopt.ts";
import { findFamily } from "../child/family.ts";

const NOBODY = -1;

/**
 * Ends runs that a rebuilt database has as running, since no manifest tells of their end: from what their workspaces say. One whose processes still run here stays
 * open, and the next command after their end adopts it. Returns the runs as they are now.
 */
export async function adoptLeft(store: Store, ids: readonly string[]): Promise<RunRow[]> {
  const now: RunRow[] = [];
  for (const id of ids) {
    const run = runs.byId(store.db, id);
    if (!run) continue;
    const alive = findFamily(id, NOBODY).flatMap((pid) => (pid === NOBODY ? [] : (of(pid) ?? [])));
    if (alive.length === 0) await closeRun(store, run, true);
    else {
      // without a child: then the others are looked for when this one has ended
      const lease = { token: Bun.randomUUIDv7(), kind: "run", run: run.seq, wrapper: JSON.stringify(alive[0]), until: null } as const;
      store.transaction(() => leases.insert(store.db, { ...lease, taken_at: store.now() }));
    }
    now.push(runs.byId(store.db, id) as RunRow);
  }
  return now;
}
