import { EXIT } from "../domain/error.ts";
import { checkDatabase, requireConfirmed } from "../gc/check-database.ts";
import { planGc } from "../gc/plan/plan.ts";
import { planWorkspaces } from "../gc/plan/workspaces.ts";
import { applyPlan } from "./apply-plan.ts";
import { command } from "./command.ts";
import { planDocument, spelledOut } from "./gc/document.ts";
import { gcRules, RULE_FLAGS } from "./gc/rules.ts";
import { renderPlan, renderSwept } from "./gc/text.ts";
import { hintAtServers } from "./server-hint.ts";
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
      "130": "interrupted between two batches; run it again for the rest",
    },
  },
  async ({ flags, io }) => {
    const { values } = await io.settings();
    const rules = gcRules(flags, values);
    using store = await io.openStore({ make: false, access: flags.apply ? "make-room" : "read" });
    checkDatabase(store, { thoroughly: flags.apply });
    if (flags.apply) requireConfirmed(store, flags.yes);
    const plan = planGc(store, rules);
    await planWorkspaces(store, plan);
    // each server is named in what it keeps
    const kept = plan.keptArtifacts.first(1000).map(({ because }) => because);
    hintAtServers(io, store, (target) => kept.some((because) => because.includes(` ${target} `)));
    if (!flags.apply) {
      if (io.json) streamJson({ ...planDocument(plan), applied: null }, io.write);
      else io.print(plan, renderPlan);
      if (plan.totals.items + plan.repack.length > 0) io.say.info("nothing was deleted: run it again with --apply to do it");
      return EXIT.done;
    }
    // in words now: what it tells of is gone after the sweep
    const told = io.json ? spelledOut(planDocument(plan)) : undefined;
    const { applied, exit } = await applyPlan(io, store, plan);
    if (told) streamJson({ ...told, applied }, io.write);
    else io.print(plan, () => renderSwept(plan, applied));
    return exit;
  },
);
