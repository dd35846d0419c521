import { EXIT } from "../../domain/error.ts";
import { pausing } from "../../domain/pause.ts";
import { requireConfirmed } from "../../gc/check-database.ts";
import { requireDataset } from "../../gc/dataset.ts";
import { planning } from "../../gc/plan/plan.ts";
import { orphanRules } from "../../gc/plan/rules.ts";
import { applyPlan } from "../apply-plan.ts";
import { command } from "../command.ts";
import { lookAtDatabase } from "../gc/look-at-database.ts";
import { untilStopped } from "../gc/until-stopped.ts";
import { orphansDocument, printOrphans } from "./orphans.ts";

export default command(
  {
    flags: {
      dataset: { type: "string", valueHint: "D", description: "of this dataset only" },
      grace: { type: "string", valueHint: "TIME", description: "younger files are left alone: 1h, 0 (cleanup_policy.grace)" },
      force: { type: "boolean", description: "delete exactly what is listed; without it nothing is" },
    },
    about: `Shows what artifacts list-orphaned shows; with --force it deletes that list and nothing else, after looking at each once more.

Rows whose files are gone stay, since the file may come back from a backup. A manifest that tells of what the database does not know
stops the cleanup, until the database that knew it is back, or the manifest is set aside by name.`,
    examples: [
      ["coffer artifacts cleanup", "what would go"],
      ["coffer artifacts cleanup --grace 0 --force", "delete it, whatever its age"],
    ],
    exits: {
      "3": "some of it could not be deleted; the rest is",
      "4": "there is no such dataset",
      "5": "stopped: the database is damaged, or lacks what a manifest tells of",
    },
  },
  async ({ flags, io }) =>
    untilStopped(io, async (work) => {
      const { values } = await io.settings();
      const rules = orphanRules(flags.grace, values.artifact_store.cleanup_policy);
      using store = await io.openStore({ make: false, access: flags.force ? "make-room" : "read" });
      await lookAtDatabase(io, store, work, { thoroughly: flags.force });
      const dataset = flags.dataset ?? null;
      if (dataset !== null) requireDataset(store, dataset);
      if (flags.force) requireConfirmed(store, false);
      const plan = await pausing(planning(store, rules, { dataset, part: "orphans" }), work.pause);
      const document = orphansDocument(plan);
      if (!flags.force) {
        printOrphans(io, document);
        if (plan.totals.items > 0) io.say.info("nothing was deleted: run it again with --force to do it");
        return EXIT.done;
      }
      // in words now: what it tells of is gone after the sweep
      const told = { ...document, items: [...document.items], kept: [...document.kept] };
      const { applied, exit } = await applyPlan(io, store, plan, work);
      printOrphans(io, { ...told, applied });
      return exit;
    }),
);
