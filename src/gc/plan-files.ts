import * as deadBlobs from "../db/dead-blobs.ts";
import type { Store } from "../store/store.ts";
import type { GcItem, GcPlan } from "./gc-plan.ts";
import { findStrays, leftStaging } from "./strays.ts";
import type { Stray } from "./strays.ts";
import { oldWorkspaces } from "./workspaces.ts";

/** Adds to a plan what lies on the disk and no row names, and workspaces. */
export function planFiles(store: Store, plan: GcPlan): void {
  const { rules } = plan;
  if (rules.orphans) {
    const strays = findStrays(store, rules.grace);
    for (const file of strays.files)
      if (file.keeper !== undefined) plan.kept.push({ rule: "orphans", what: file.path, because: file.keeper });
      else plan.items.push(strayItem(file));
    const described = new Map(
      deadBlobs
        .describeBlobs(
          store.db,
          strays.missing.map((row) => row.blob),
        )
        .map((row) => [row.seq, row.digest]),
    );
    for (const { blob, path } of strays.missing) plan.missing.push({ digest: described.get(blob) ?? "", path });
  }
  for (const { path, bytes, why } of leftStaging(store, rules.grace))
    plan.items.push({ kind: "staging", rule: "staging", what: path, why, bytes, bytes_after_repacking: 0 });
  if (rules.workspaces === null) return;
  for (const { run, path, bytes, why, keeper } of oldWorkspaces(store, rules.workspaces))
    if (keeper !== undefined) plan.kept.push({ rule: "workspaces", what: path, because: keeper });
    else plan.items.push({ kind: "workspace", rule: "workspaces", what: path, why, bytes, bytes_after_repacking: 0, run: run.seq });
}

function strayItem({ path, bytes, inode, changed }: Stray): GcItem {
  return { kind: "file", rule: "orphans", what: path, why: "no row names it", bytes, bytes_after_repacking: 0, inode, changed };
}
