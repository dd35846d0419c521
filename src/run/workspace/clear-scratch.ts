import { existsSync } from "node:fs";
import { relative } from "node:path";
import * as events from "../../db/records/events.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { countOf, formatBytes } from "../../domain/quantity.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Moved } from "../../store/ingest/admitted.ts";
import { endLease } from "../../store/lease.ts";
import type { Lease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import { emptyWorkspace } from "./empty-workspace.ts";
import type { Emptied, Snapshot } from "./empty-workspace.ts";
import { settleFiles } from "./settle-files.ts";

export interface ScratchRequest {
  run: RunRow;
  /** Held until the workspace is cleared, so that no other command takes the run for one whose wrapper died. */
  lease: Lease;
  /** Absolute. */
  workspace: string;
  /** What lay there before the outputs were read. */
  snapshot: Snapshot;
  /** Files whose inodes are blobs now. */
  moved: readonly Moved[];
  /** Something could not be stored: nothing is removed. */
  incomplete: boolean;
  /** Whether the user's rules leave it out, by path within the workspace. */
  isLeftOut: (path: string) => boolean;
}

export interface Cleared {
  gone: boolean;
  /** What stays, by path within the workspace. */
  stays: string[];
  /** What went without being stored, because the user's own rules leave it out. */
  leftOut: { files: number; bytes: number };
  /** What the person must know, one sentence each. */
  warnings: string[];
}

/**
 * Ends a scratch run, whose outputs are durable and whose rows are committed: now, and only now, its workspace goes. Whatever stays of it gets bytes of its own, since
 * until now it shares them with the store.
 */
export async function clearScratch(
  store: Store,
  { run, lease, workspace, snapshot, moved, incomplete, isLeftOut }: ScratchRequest,
): Promise<Cleared> {
  syncPoint("scratch.begun");
  const nothing: Emptied = { gone: false, retained: [], late: [], problems: [], leftOut: { files: 0, bytes: 0 } };
  const emptied = incomplete ? nothing : emptyWorkspace(workspace, snapshot, { retain: store.settings.values.workspace.retain, isLeftOut });
  syncPoint("scratch.emptied");
  const { shared, damaged } = await settleFiles(store, moved);
  syncPoint("scratch.settled");
  const kept = [
    ...emptied.late.map((path) => `${path} came or changed after the outputs were read, and stays in the workspace`),
    ...emptied.problems.map(({ path, why }) => `${path} could not be removed: ${why}`),
    ...shared.map(({ source, why, byName }) =>
      byName
        ? `${relative(workspace, source)} shares its bytes with the store, since no copy could be made (${why}): do not write to it`
        : `a process that is left has ${relative(workspace, source)} open for writing, and no copy could be made (${why}): end it before it writes to the store`,
    ),
  ];
  const harmed = damaged.map(
    (source) =>
      `${relative(workspace, source)} was written to after it had been stored: the store's copy is damaged${existsSync(source) ? ", the workspace has the new bytes" : ""}`,
  );
  store.transaction(() => {
    const note = (kind: string, message: string) => events.record(store.db, { at: store.now(), run: run.seq, kind, message });
    // what still shares bytes is tried again by the next command
    runs.update(store.db, run.seq, { workspace_state: shared.length > 0 ? "removing" : emptied.gone ? "removed" : "present" });
    endLease(store, lease);
    for (const message of kept) note("kept", message);
    for (const message of harmed) note("damaged", message);
    if (emptied.leftOut.files > 0) note("deleted", `${leftOutWords(emptied.leftOut)} that your rules leave out went with the workspace`);
  });
  const stays = [...emptied.retained, ...emptied.late, ...emptied.problems.map(({ path }) => path)];
  return { gone: emptied.gone, stays, leftOut: emptied.leftOut, warnings: [...kept, ...harmed] };
}

export function leftOutWords({ files, bytes }: Cleared["leftOut"]): string {
  return `${countOf(files, "file")} (${formatBytes(bytes)})`;
}
