import { EXIT } from "../domain/error.ts";
import { pausing } from "../domain/pause.ts";
import type { GcPlan } from "../gc/plan/gc-plan.ts";
import type { Store } from "../store/store.ts";
import { isUnconfirmed, requireConfirmed } from "../gc/check-database.ts";
import { planning } from "../gc/plan/plan.ts";
import { planWorkspaces } from "../gc/plan/workspaces.ts";
import { applyPlan } from "./apply-plan.ts";
import { command } from "./command.ts";
import { planDocument, spelledOut } from "./gc/document.ts";
import { lookAtDatabase } from "./gc/look-at-database.ts";
import { gcRules, RULE_FLAGS, unusedRules } from "./gc/rules.ts";
import { renderPlan, renderSwept } from "./gc/text.ts";
import { untilStopped } from "./gc/until-stopped.ts";
import { hintAtServers } from "./server-hint.ts";
import type { Io } from "./io.ts";
import { streamJson } from "./stream-json.ts";

export default command(
  {
    flags: {
      apply: { type: "boolean", description: "delete what the plan has; without it nothing is" },
      ...RULE_FLAGS,
      yes: { type: "boolean", description: "after a rebuild of the database: yes, it is complete" },
    },
    about: `Shows what can go, why, and the bytes that only it frees; --apply deletes it, after looking again at each.

Rules named here are the only ones; else those of artifact_store.cleanup_policy hold, once it is enabled. Always planned is what nobody can miss: what rm took
away longer ago than the grace, blobs that nothing names, staging of dead processes, stray files.

FREES is what only this item has. Small files lie together in packs, and such bytes are free once their pack was written anew (AFTER REPACKING): --apply does
that where more than half of a pack is dead, else it waits for the next that dies.

A version goes if either --max-versions or --max-age condemns it. The newest version of a name never goes. What has no name belongs to its run, and goes by age
once that has ended. Pins, aliases, live processes, deliveries that are not made yet, and whatever something that stays was made from protect: what is kept is
listed with its reason.`,
    examples: [
      ["coffer gc", "what would go"],
      ["coffer gc --apply", "delete it"],
      ["coffer gc --max-versions 10 --max-age 90 --apply", "old versions"],
      ["coffer gc --failed-runs --grace 0 --apply", "failed runs, at once"],
    ],
    exits: {
      "3": "some of it could not be deleted; the rest is",
      "5": "refused: the database is damaged, lacks what a manifest tells of, or was rebuilt and nobody confirmed it (--yes)",
      "130": "interrupted, while nothing was half done; run it again for the rest",
    },
  },
  async ({ flags, io }) =>
    untilStopped(io, async (work) => {
      const { values } = await io.settings();
      const rules = gcRules(flags, values);
      using store = await io.openStore({ make: false, access: flags.apply ? "make-room" : "read" });
      await lookAtDatabase(io, store, work, { thoroughly: flags.apply });
      if (flags.apply) requireConfirmed(store, flags.yes);
      const plan = await pausing(planning(store, rules), work.pause);
      await planWorkspaces(store, plan, work.pause);
      // each server is named in what it keeps
      const kept = plan.keptArtifacts.first(1000).map(({ because }) => because);
      hintAtServers(io, store, (target) => kept.some((because) => because.includes(` ${target} `)));
      if (!flags.apply) {
        if (io.json) streamJson({ ...planDocument(plan), applied: null }, io.write);
        else io.print(plan, renderPlan);
        sayHowOn(io, store, plan);
        return EXIT.done;
      }
      // in words now: what it tells of is gone after the sweep
      const told = io.json ? spelledOut(planDocument(plan)) : undefined;
      const { applied, exit } = await applyPlan(io, store, plan, work);
      if (told) streamJson({ ...told, applied }, io.write);
      else for (const piece of renderSwept(plan, applied)) io.write(piece);
      if (applied.deleted.length === 0 && exit === EXIT.done) sayWhatElse(io, plan);
      return exit;
    }),
);

/** What does it, or what else there is. */
function sayHowOn(io: Io, store: Store, plan: GcPlan): void {
  const words = isUnconfirmed(store)
    ? "--apply --yes, once you have seen that the rebuilt database lacks nothing (coffer ls): --apply alone is refused until then"
    : "--apply to do it";
  if (plan.totals.items + plan.repack.length > 0) io.say.info(`nothing was deleted: run it again with ${words}`);
  else {
    if (isUnconfirmed(store)) io.say.info(`this store's database was rebuilt: when there is something to delete, it takes ${words}`);
    sayWhatElse(io, plan);
  }
}

/** Who wants room is not left with “nothing”. */
function sayWhatElse(io: Io, { rules, stopped }: GcPlan): void {
  const unused = unusedRules(rules);
  if (stopped.length === 0 && unused.length > 0) io.say.info(`what else may go is shown by rules that are off: ${unused.join(", ")}`);
}
