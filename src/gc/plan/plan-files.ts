import * as deadBlobs from "../../db/bytes/dead-blobs.ts";
import type { Store } from "../../store/store.ts";
import type { GcPlan, OtherItem } from "./gc-plan.ts";
import { leftStaging, lookForStrays } from "./strays.ts";
import type { Stray } from "./strays.ts";

/** Adds to a plan what lies on the disk and no row names. Yields after each file. */
export function* planFiles(store: Store, plan: GcPlan): Generator<void, void> {
  const { rules, scope, stopped } = plan;
  const add = (item: OtherItem): void => {
    plan.others.push(item);
    plan.totals.bytes += item.bytes;
  };
  if (rules.orphans) {
    const strays = yield* lookForStrays(store, { grace: rules.grace, scope, isStopped: stopped.length > 0 });
    for (const file of strays.files)
      if (file.keeper !== undefined) plan.keptOthers.push({ rule: "orphans", what: file.path, because: file.keeper });
      else add(strayItem(file));
    const described = deadBlobs.describeBlobs(
      store.db,
      strays.missing.map((row) => row.blob),
    );
    plan.missing = strays.missing.map(({ blob, path }) => {
      const { digest = "", size = 0 } = described.get(blob) ?? {};
      return { digest, path, bytes: size };
    });
  }
  if (scope.part !== "all" || stopped.length > 0) return;
  for (const { path, bytes, why } of leftStaging(store, rules.grace))
    add({ kind: "staging", rule: "staging", what: path, why, bytes, bytes_after_repacking: 0 });
}

function strayItem({ path, bytes, inode, changed }: Stray): OtherItem {
  return { kind: "file", rule: "orphans", what: path, why: "no row names it", bytes, bytes_after_repacking: 0, inode, changed };
}
