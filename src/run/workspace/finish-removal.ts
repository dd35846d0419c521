import { existsSync, lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as blobs from "../../db/bytes/blobs.ts";
import * as events from "../../db/records/events.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Moved } from "../../store/ingest/admitted.ts";
import type { Store } from "../../store/store.ts";
import { walk } from "../../store/ingest/walk.ts";
import { settleFiles } from "./settle-files.ts";
import { isShared } from "../child/unshare.ts";
import { lookAtWorkspace } from "./workspace.ts";

/**
 * A crash came between the commit of a scratch run and the end of its workspace. Names in the workspace that are the very inodes of stored blobs are
 * removed, since whoever wrote through them would write into the store (where not all was stored, they get bytes of their own); all else stays.
 */
export async function finishRemoval(store: Store, run: RunRow): Promise<void> {
  const workspace = store.path(run.workspace as string);
  try {
    const { shared } = await settleFiles(store, halfMoved(store, run, workspace));
    if (shared.length > 0) throw new Error(`${shared.length} files could not get bytes of their own: ${shared[0]?.why}`);
    syncPoint("removal.settled");
    store.transaction(() => {
      runs.update(store.db, run.seq, { workspace_state: existsSync(workspace) ? "present" : "removed" });
      events.record(store.db, {
        at: store.now(),
        run: run.seq,
        kind: "kept",
        message: "the removal of the workspace was interrupted; what is left of it stays",
      });
    });
  } catch (error) {
    // tried again by the next command: what that command was called for need not suffer
    store.say(`the workspace of run ${run.id} could not be cleared: ${reason(error)}`);
  }
}

/** Blobs that are still writable, or share their inode with a name in the workspace (the `source`). */
function halfMoved(store: Store, run: RunRow, workspace: string): Moved[] {
  const isWhole = !runs.lacksOutputs(store.db, run.seq);
  const names = new Map<bigint, string>();
  if (lookAtWorkspace(workspace) === "there")
    for (const path of walk(workspace, () => false).files)
      names.set(lstatSync(join(workspace, path), { bigint: true }).ino, join(workspace, path));
  const found: Moved[] = [];
  for (const { seq, path: kept } of blobs.filesOfRun(store.db, run.seq)) {
    const path = store.path(kept);
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    const source = names.get(stat?.ino ?? 0n) ?? "";
    const shares = isShared(source, path);
    if (!stat || (!shares && (stat.mode & 0o222n) === 0n)) continue;
    if (shares && isWhole) rmSync(source, { force: true });
    syncPoint("removal.unlinked");
    found.push({ source, blob: seq, path });
  }
  return found;
}
