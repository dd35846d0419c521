import { basename } from "node:path";
import { removeTree } from "../../blobs/remove-tree.ts";
import * as events from "../../db/records/events.ts";
import { recordLater } from "../../db/records/later-events.ts";
import * as leases from "../../db/bytes/leases.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { isNamed } from "../../db/garbage/sweeping.ts";
import { reason } from "../../domain/error.ts";
import { Interrupted, pauseUntil } from "../../domain/pause.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { OtherItem } from "../plan/gc-plan.ts";
import { oldestMaker, strayAt } from "../plan/strays.ts";
import { batches, isToStop, sweepAway, unlinkMoved } from "./swept.ts";
import type { Sweep } from "./swept.ts";
import { lookAtWorkspace } from "../plan/workspaces.ts";

type Item<K extends OtherItem["kind"]> = Extract<OtherItem, { kind: K }>;

export async function dropStrays(sweep: Sweep): Promise<void> {
  for await (const batch of batches(sweep, "files", items(sweep, "file"))) {
    const known = { grace: sweep.plan.rules.grace, maker: oldestMaker(sweep.store, sweep.lease.seq) };
    sweep.store.transaction(() => batch.forEach((item) => dropStray(sweep, item, known)));
    unlinkMoved(sweep);
  }
}

function dropStray(sweep: Sweep, item: Item<"file">, known: Parameters<typeof strayAt>[2]): void {
  const { store, swept } = sweep;
  const stray = strayAt(store, item.what, known);
  if (stray) {
    const changed = stray.inode !== item.inode || stray.changed !== item.changed;
    const keeper = isNamed(store.db, item.what) ? "a row names it now" : changed ? "it is another file now" : stray.keeper;
    if (keeper !== undefined) {
      swept.stayed.push({ what: item.what, because: keeper });
      return;
    }
    try {
      sweepAway(sweep, store.path(item.what), item.what, stray.bytes);
    } catch (error) {
      swept.failed.push({ what: item.what, error: reason(error) });
      return;
    }
    events.record(store.db, { at: store.now(), kind: "deleted", message: `gc deleted ${item.what}: ${item.why}` });
  }
  swept.deleted.push({ kind: "file", what: item.what, why: item.why, bytes: item.bytes, planned: true });
}

export async function dropStaging(sweep: Sweep): Promise<void> {
  const { store, swept } = sweep;
  for await (const batch of batches(sweep, "staging", items(sweep, "staging"))) {
    const tokens = new Set(leases.all(store.db).map((lease) => lease.token));
    for (const item of batch)
      if (tokens.has(basename(item.what))) swept.stayed.push({ what: item.what, because: "it belongs to a process" });
      else if (removeDirectory(sweep, item, store.path(item.what), item.bytes)) syncPoint("gc.staging-removed");
  }
}

export async function dropWorkspaces(sweep: Sweep): Promise<void> {
  const { store, swept } = sweep;
  const all = items(sweep, "workspace");
  for (const [done, item] of all.entries()) {
    sweep.tell({ doing: "workspaces", done, of: all.length });
    if (await isToStop(sweep)) return;
    const run = runs.bySeq(store.db, item.run);
    if (run?.workspace_state !== "present") continue;
    const looked = await lookOnceMore(sweep, run);
    if (!looked) return;
    const { bytes, keeper } = looked;
    if (keeper !== undefined) swept.stayed.push({ what: item.what, because: keeper });
    else if (removeDirectory(sweep, item, item.what, bytes)) {
      syncPoint("gc.workspace-removed");
      store.transaction(() => {
        runs.update(store.db, run.seq, { workspace_state: "removed" });
        recordLater(store.db, { at: store.now(), run: run.seq, kind: "deleted", message: `gc removed the workspace: ${item.why}` });
      });
    }
  }
}

/** undefined where the sweep is to stop. */
async function lookOnceMore({ store, stop, swept }: Sweep, run: RunRow): Promise<Awaited<ReturnType<typeof lookAtWorkspace>> | undefined> {
  try {
    return await lookAtWorkspace(store, run, pauseUntil(stop));
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    swept.interrupted = true;
    return undefined;
  }
}

function removeDirectory({ swept }: Sweep, item: Item<"staging" | "workspace">, path: string, bytes: number): boolean {
  try {
    removeTree(path);
  } catch (error) {
    swept.failed.push({ what: item.what, error: reason(error) });
    return false;
  }
  swept.deleted.push({ kind: item.kind, what: item.what, why: item.why, bytes, planned: true });
  swept.freed += bytes;
  return true;
}

function items<K extends OtherItem["kind"]>({ plan }: Sweep, kind: K): Item<K>[] {
  return plan.others.filter((item): item is Item<K> => item.kind === kind);
}
