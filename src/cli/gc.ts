import { EXIT } from "../domain/error.ts";
import { checkDatabase, requireConfirmed } from "../gc/check-database.ts";
import { planGc } from "../gc/plan.ts";
import { rulesFrom } from "../gc/rules.ts";
import { sweep } from "../gc/sweep.ts";
import { planWorkspaces } from "../gc/workspaces.ts";
import { command } from "./command.ts";
import { renderPlan, renderSwept } from "./gc-text.ts";

export default command(
  {
    flags: {
      apply: { type: "boolean", description: "delete what the plan has; without it nothing is" },
      orphans: { type: "boolean", description: "files that no row names" },
      "failed-runs": { type: "boolean", description: "what failed runs registered (after failed_runs_days, or --grace where given)" },
      workspaces: {
        type: "boolean",
        description: "workspaces of finished runs whose outputs are all stored (after workspaces_days, or --grace)",
      },
      "max-versions": { type: "string", valueHint: "N", description: "all but the newest N versions of each name" },
      "max-age": { type: "string", valueHint: "DAYS", description: "what is older: 90 (days), 90d, 12h" },
      "max-size": { type: "string", valueHint: "SIZE", description: "what was used longest ago, until so much is stored: 50GB" },
      grace: { type: "string", valueHint: "TIME", description: "how long garbage is left alone: 1h, 0 (cleanup_policy.grace)" },
      "forget-unsynced": { type: "boolean", description: "give up what the tracking server was not told, where that keeps garbage" },
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
      "5": "refused: the database is damaged, or was rebuilt and nobody confirmed it (--yes)",
      "130": "interrupted between two batches; run it again for the rest",
    },
  },
  async ({ flags, io }) => {
    const { values } = await io.settings();
    const rules = rulesFrom(
      {
        orphans: flags.orphans,
        failedRuns: flags["failed-runs"],
        workspaces: flags.workspaces,
        maxVersions: flags["max-versions"],
        maxAge: flags["max-age"],
        maxSize: flags["max-size"],
        grace: flags.grace,
        forgetUnsynced: flags["forget-unsynced"],
      },
      values.artifact_store.cleanup_policy,
    );
    using store = await io.openStore({ make: false });
    checkDatabase(store, { thoroughly: flags.apply });
    if (flags.apply) requireConfirmed(store, flags.yes);
    const plan = planGc(store, rules);
    await planWorkspaces(store, plan);
    if (!flags.apply) {
      io.print({ ...plan, applied: null }, renderPlan);
      if (plan.items.length + plan.repack.length > 0) io.say.info("nothing was deleted: run it again with --apply to do it");
      return EXIT.done;
    }
    let signal: "SIGINT" | "SIGTERM" | undefined;
    process.on("SIGINT", () => (signal ??= "SIGINT"));
    process.on("SIGTERM", () => (signal ??= "SIGTERM"));
    const applied = await sweep(store, plan, () => signal !== undefined);
    io.print({ ...plan, applied }, renderSwept);
    for (const { what, error } of applied.failed) io.say.error(`${what} could not be deleted: ${error}`);
    if (applied.interrupted) {
      io.say.warn("interrupted; what was deleted is listed, the rest stays until the next gc --apply");
      return signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted;
    }
    return applied.failed.length > 0 ? EXIT.partly : EXIT.done;
  },
);
