import type { Database } from "bun:sqlite";
import { lstatSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { insertRow } from "../../db/copy/fresh-database.ts";
import * as runs from "../../db/records/runs.ts";
import { bornAt } from "../../store/database/take-stock.ts";

export interface LeftRun {
  id: string;
  workspace: string;
}

/**
 * Runs that had not ended, or whose end no manifest tells of: nothing but their workspaces says that there were any. They get a row as running ones; whoever knows how
 * a dead run is adopted ends them. Their workspaces are not touched.
 */
export function restoreLeftRuns(db: Database, roots: { store: string; workspace: string }): LeftRun[] {
  const directory = join(roots.workspace, "runs");
  const left: LeftRun[] = [];
  for (const id of listOrNothing(directory).sort()) {
    const begun = bornAt(id);
    const workspace = join(directory, id);
    if (begun === undefined || runs.byId(db, id) || !lstatSync(workspace, { throwIfNoEntry: false })?.isDirectory()) continue;
    const inside = relative(roots.store, workspace);
    const kept = inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside) ? workspace : inside;
    insertRow(db, "runs", { id, kind: "wrapped", state: "running", started_at: begun, workspace: kept, workspace_state: "present" });
    left.push({ id, workspace });
  }
  return left;
}
