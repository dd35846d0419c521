import { constants, copyFileSync, existsSync, linkSync, lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errno, isFull, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { clearStaging, closeLease, endLease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import type { Begun } from "../begin.ts";
import { discardStaged } from "./discard-staged.ts";
import type { End, Ended } from "../finish.ts";
import { leaveEnd } from "../adopt/left-end.ts";
import type { KeptLog } from "../terminal/output-log.ts";
import { readReadings } from "./readings.ts";
import { nothingFound } from "./record-outputs.ts";
import { isOpen, requireOpen } from "../require-open.ts";
import type { RunRequest } from "../run.ts";
import { settle } from "../settle.ts";

/**
 * Records a run whose outputs could not be stored: its end, its readings, and that the outputs are missing. Its log goes to the workspace, which stays complete. Where
 * not even that can be recorded, the end is left in the workspace for whoever adopts the run. Of a run that somebody closed meanwhile nothing is recorded. Returns
 * sentences for the person.
 */
export function recordWithoutOutputs(store: Store, begun: Begun, request: RunRequest, end: End, ended: Ended, failure: unknown): string[] {
  const { run, lease, workspace } = begun;
  const why = reason(failure);
  let saved: SavedLogs | undefined;
  try {
    if (!isOpen(store, begun)) return [...ended.output.notes, ...saveAll(store, begun, ended.output.logs)];
    // what of them was staged may be the very bytes that the disk has no room for
    discardStaged(
      store,
      lease,
      ended.output.logs.map((log) => log.path),
    );
    syncPoint("run.unstored");
    const outputs = nothingFound({ path: "all outputs", why, failed: true });
    const readings = readReadings({ workspace, paramFiles: request.paramFiles, metricFiles: request.metricFiles });
    const workspaceState = existsSync(workspace) ? "present" : "removed";
    const logs = (saved = saveLogs(store, begun, ended.output.logs));
    // nobody knows this but us
    if (isFull(failure)) store.useReserve();
    store.transaction(() => {
      requireOpen(store, begun);
      settle(store, run.seq, request, end, {
        outputs,
        captured: [],
        admitted: [],
        unread: [],
        readings,
        code: ended.code,
        changed: [],
        workspaceState,
        notes: [...readings.skipped, ...ended.output.notes],
      });
      // then its staging is left to gc, which gives the person time
      if (!logs.isWhole) endLease(store, lease);
    });
    syncPoint("run.unstored-recorded");
    if (logs.isWhole) closeLease(store, lease);
    return [...ended.output.notes, ...logs.said];
  } catch (error) {
    // whoever adopts the run finds its log in the staging
    for (const path of saved?.made ?? []) rmSync(path, { force: true });
    return [
      ...ended.output.notes,
      leaveEnd(workspace, { ...end, keep_failed: request.keepFailed, failure: why, notes: ended.output.notes })
        ? `the store takes nothing at all (${reason(error)}): the next coffer command will record how the run ended`
        : `how the run ended could not be written anywhere (${reason(error)}): it will be shown as killed`,
    ];
  }
}

/** Of a run that was closed: its log up to then is recorded, and all of it is still where it was written, unless whoever closed it was sure. */
function saveAll(store: Store, begun: Begun, logs: readonly KeptLog[]): string[] {
  const left = logs.filter(({ path }) => existsSync(path));
  const saved = saveLogs(store, begun, left);
  if (saved.isWhole) clearStaging(store, begun.lease);
  return left.length < logs.length ? [...saved.said, "what it printed is kept as far as it had come when the run was closed"] : saved.said;
}

interface SavedLogs {
  said: string[];
  made: string[];
  /** None is in the staging only. */
  isWhole: boolean;
}

/** Gives each log a name in the workspace, too. */
function saveLogs(store: Store, { lease, workspace }: Begun, logs: readonly KeptLog[]): SavedLogs {
  const saved: SavedLogs = { said: [], made: [], isWhole: true };
  try {
    for (const { name, path } of logs.filter((log) => log.bytes > 0)) {
      const target = join(workspace, lstatSync(join(workspace, name), { throwIfNoEntry: false }) ? `coffer-${name}` : name);
      linkOrCopy(path, target);
      saved.made.push(target);
      saved.said.push(`what it printed is in ${target}`);
    }
  } catch (error) {
    saved.isWhole = false;
    saved.said.push(`what it printed stays in ${store.path("tmp", lease.token)} (${reason(error)})`);
  }
  return saved;
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "EEXIST") throw error;
    // another file system, or one without links
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  }
}
