import { lstatSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import * as leases from "../../db/bytes/leases.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { unpaused } from "../../domain/pause.ts";
import type { Pause } from "../../domain/pause.ts";
import { formatDuration } from "../../domain/quantity.ts";
import { leaseState } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import type { GcPlan } from "./gc-plan.ts";
import { lookForUnstored } from "./unstored.ts";

/** Adds to a plan the workspaces of runs that finished long enough ago. Failed and killed runs keep theirs: it is the only place where their outputs are whole. */
export async function planWorkspaces(store: Store, plan: GcPlan, pause: Pause = unpaused): Promise<void> {
  const { workspaces: age } = plan.rules;
  if (age === null || plan.stopped.length > 0) return;
  for (const run of runs.finishedWithWorkspace(store.db, store.now() - age)) {
    const what = store.path(run.workspace as string);
    const { bytes, keeper } = await lookAtWorkspace(store, run, pause);
    if (keeper !== undefined) {
      plan.keptOthers.push({ rule: "workspaces", what, because: keeper });
      plan.totals.kept++;
      continue;
    }
    const why = `its run finished ${formatDuration(store.now() - (run.ended_at as number))} ago, and every file in it is stored, or was not to be kept`;
    plan.others.push({ kind: "workspace", rule: "workspaces", what, why, bytes, bytes_after_repacking: 0, run: run.seq });
    plan.totals.items++;
    plan.totals.bytes += bytes;
  }
}

/**
 * What goes with a workspace, and why it must stay; asked again right before it goes.
 * @throws Interrupted where `pause` does
 */
export async function lookAtWorkspace(
  store: Store,
  run: RunRow,
  pause: Pause = unpaused,
): Promise<{ bytes: number; keeper: string | undefined }> {
  const path = store.path(run.workspace as string);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const keeper = foreignPlace(path, run, stat?.isDirectory() ?? true) ?? userOf(store, run);
  if (keeper !== undefined || !stat) return { bytes: 0, keeper };
  // what could not be stored, and is not here, is nothing to keep
  if (runs.lacksOutputs(store.db, run.seq) && !isEmpty(path)) return { bytes: 0, keeper: "something in it could not be stored" };
  const { bytes, unstored } = await lookForUnstored(store, run, path, pause);
  return { bytes, keeper: unstored };
}

/** Only what coffer made for this very run is removed, and only where it made it. */
function foreignPlace(path: string, run: RunRow, isDirectory: boolean): string | undefined {
  if (basename(path) !== run.id || basename(dirname(path)) !== "runs" || !isDirectory)
    return "it is not a directory that coffer made for this run";
  return lstatSync(dirname(path), { throwIfNoEntry: false })?.isSymbolicLink()
    ? `${dirname(path)} is a link, which is not followed`
    : undefined;
}

function userOf(store: Store, run: RunRow): string | undefined {
  const live = leases.all(store.db).some((lease) => lease.run === run.seq && leaseState(lease, store.now()) !== "dead");
  return live ? "a live process uses its run" : undefined;
}

function isEmpty(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch {
    return false; // what cannot be listed is not known
  }
}
