import { runsOfGarbage } from "../db/garbage/tables.ts";
import { EXIT } from "../domain/error.ts";
import { damaged } from "../gc/check-database.ts";
import type { GcPlan } from "../gc/plan/gc-plan.ts";
import { completeSets } from "../gc/plan/sets.ts";
import { sweep } from "../gc/apply/sweep.ts";
import type { SweepStep, Swept } from "../gc/apply/swept.ts";
import { Interrupted } from "../domain/pause.ts";
import type { Work } from "./gc/until-stopped.ts";
import { checkManifests } from "../manifest/check/check-manifests.ts";
import type { Store } from "../store/store.ts";
import type { Io } from "./io.ts";

const SAID = 20;

/**
 * What a look at the database alone cannot tell, a value that is wrong in a page that is well formed, the manifests can: those of the runs of which something is to go
 * are held against the rows that say so.
 * @throws CofferError STORE_DAMAGED; Interrupted
 */
async function requireSound(store: Store, plan: GcPlan, stop: () => boolean): Promise<void> {
  const ofWorkspaces = plan.others.flatMap((item) => (item.kind === "workspace" ? [item.run] : []));
  const only = [...new Set([...runsOfGarbage(store.db), ...ofWorkspaces])];
  const found = await checkManifests(store, { share: 1, random: Math.random, stop, only });
  const wrong = found.find(({ what }) => what === "database");
  if (wrong) throw damaged(wrong.detail);
  // those that were not looked at may say so too
  if (stop()) throw new Interrupted("interrupted");
}

const WORDS: Record<SweepStep["doing"], (done: string) => string> = {
  artifacts: (done) => `deleting: ${done} artifacts`,
  blobs: (done) => `deleting: ${done} blobs that nothing names any more`,
  packs: (done) => `putting packs in order: ${done}`,
  files: (done) => `deleting: ${done} files that no row names`,
  staging: (done) => `deleting: ${done} directories of dead processes`,
  workspaces: (done) => `deleting: ${done} workspaces, each looked at once more`,
};

/**
 * Applies a plan until it is done or a signal comes, shows how far it is, says what went wrong, and returns what was done with the exit code that tells.
 * @throws CofferError STORE_DAMAGED; Interrupted where nothing was done yet
 */
export async function applyPlan(io: Io, store: Store, plan: GcPlan, { stop, progress }: Work): Promise<{ applied: Swept; exit: number }> {
  completeSets(store, plan);
  await requireSound(store, plan, stop.isThere);
  const applied = await sweep(store, plan, stop.isThere, ({ doing, done, of }) => progress.show(WORDS[doing](`${done} of ${of}`)));
  progress.clear();
  for (const { what, error } of applied.failed) io.say.error(`${what} could not be deleted: ${error}`);
  for (const { because } of plan.stopped.slice(0, SAID)) io.say.error(because);
  if (plan.stopped.length > SAID) io.say.error(`${plan.stopped.length - SAID} more manifests like these; --json has them all`);
  if (applied.interrupted) {
    const isBegun = applied.deleted.length > 0;
    io.say.warn(`interrupted; ${isBegun ? "what was deleted is listed: run it again for the rest" : "nothing was deleted: run it again"}`);
    return { applied, exit: stop.exit() };
  }
  if (applied.failed.length > 0) return { applied, exit: EXIT.partly };
  return { applied, exit: plan.stopped.length > 0 ? EXIT.refused : EXIT.done };
}
