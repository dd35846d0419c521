import * as deadBlobs from "../db/dead-blobs.ts";
import type { Store } from "../store/store.ts";
import type { GcItem, GcPlan } from "./gc-plan.ts";
import { findStrays, leftStaging } from "./strays.ts";
import type { Stray } from "./strays.ts";

/** Adds to a plan what lies on the disk and no row names. */
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
}

function strayItem({ path, bytes, inode, changed }: Stray): GcItem {
  return { kind: "file", rule: "orphans", what: path, why: "no row names it", bytes, bytes_after_repacking: 0, inode, changed };
}
