import { runsOfGarbage } from "../db/garbage/garbage.ts";
import { EXIT } from "../domain/error.ts";
import { damaged } from "../gc/check-database.ts";
import type { GcPlan } from "../gc/plan/gc-plan.ts";
import { sweep } from "../gc/apply/sweep.ts";
import type { Swept } from "../gc/apply/swept.ts";
import { checkManifests } from "../manifest/check/check-manifests.ts";
import type { Store } from "../store/store.ts";
import type { Io } from "./io.ts";
import { catchStopSignal } from "./stop-signal.ts";

const SAID = 20;

/**
 * What a look at the database alone cannot tell, a value that is wrong in a page that is well formed, the manifests can: those of the runs of which something is to go
 * are held against the rows that say so.
 * @throws CofferError STORE_DAMAGED
 */
async function requireSound(store: Store, plan: GcPlan, stop: () => boolean): Promise<void> {
  const ofWorkspaces = plan.others.flatMap((item) => (item.kind === "workspace" ? [item.run] : []));
  const only = [...new Set([...runsOfGarbage(store.db), ...ofWorkspaces])];
  const found = await checkManifests(store, { share: 1, random: Math.random, stop, only });
  const wrong = found.find(({ what }) => what === "database");
  if (wrong) throw damaged(wrong.detail);
}

/** Applies a plan until it is done or a signal comes, says what went wrong, and returns what was done with the exit code that tells. */
export async function applyPlan(io: Io, store: Store, plan: GcPlan): Promise<{ applied: Swept; exit: number }> {
  const stop = catchStopSignal();
  await requireSound(store, plan, stop.isThere);
  const applied = await sweep(store, plan, stop.isThere);
  for (const { what, error } of applied.failed) io.say.error(`${what} could not be deleted: ${error}`);
  for (const { because } of plan.stopped.slice(0, SAID)) io.say.error(because);
  if (plan.stopped.length > SAID) io.say.error(`${plan.stopped.length - SAID} more manifests like these; --json has them all`);
  if (applied.interrupted) {
    io.say.warn("interrupted; what was deleted is listed, the rest stays until the next time");
    return { applied, exit: stop.exit() };
  }
  if (applied.failed.length > 0) return { applied, exit: EXIT.partly };
  return { applied, exit: plan.stopped.length > 0 ? EXIT.refused : EXIT.done };
}
