import { lstatSync } from "node:fs";
import { basename, dirname } from "node:path";
import * as leases from "../db/leases.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { formatDuration } from "../domain/quantity.ts";
import { leaseState } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { measure } from "./measure.ts";

export interface OldWorkspace {
  run: RunRow;
  /** Absolute. */
  path: string;
  bytes: number;
  why: string;
  /** Why it stays. */
  keeper: string | undefined;
}

/** Workspaces of runs that finished at least `age` milliseconds ago. Failed and killed runs keep theirs: it is the only place where their outputs are whole. */
export function oldWorkspaces(store: Store, age: number): OldWorkspace[] {
  return runs.finishedWithWorkspace(store.db, store.now() - age).map((run) => {
    const path = store.path(run.workspace as string);
    const { bytes, newest } = measure(path);
    const keeper =
      workspaceKeeper(store, run) ??
      (newest && newest.changed > (run.ended_at as number) + 1000
        ? `${newest.path} was changed after the run had ended: it may be stored nowhere`
        : undefined);
    return { run, path, bytes, why: `its run finished ${formatDuration(store.now() - (run.ended_at as number))} ago`, keeper };
  });
}

/** Why a run's workspace must stay; asked again before it goes. */
export function workspaceKeeper(store: Store, run: RunRow): string | undefined {
  const path = store.path(run.workspace as string);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (basename(path) !== run.id || basename(dirname(path)) !== "runs" || (stat && !stat.isDirectory()))
    return "it is not a directory that coffer made for this run";
  const live = leases.all(store.db).some((lease) => lease.run === run.seq && leaseState(lease, store.now()) !== "dead");
  if (live) return "a live process uses its run";
  return runs.lacksOutputs(store.db, run.seq) ? "something in it could not be stored" : undefined;
}
