import { CofferError, EXIT } from "../../domain/error.ts";
import { pausing } from "../../domain/pause.ts";
import { formatBytes } from "../../domain/quantity.ts";
import { requireConfirmed } from "../../gc/check-database.ts";
import { requireDataset } from "../../gc/dataset.ts";
import type { GcPlan } from "../../gc/plan/gc-plan.ts";
import { planning } from "../../gc/plan/plan.ts";
import { PURGE_RULES } from "../../gc/plan/rules.ts";
import { applyPlan } from "../apply-plan.ts";
import { command } from "../command.ts";
import { lookAtDatabase } from "../gc/look-at-database.ts";
import { untilStopped } from "../gc/until-stopped.ts";
import { planDocument, spelledOut } from "../gc/document.ts";
import type { PlanDocument } from "../gc/document.ts";
import { bySource, renderPlan, renderSwept, section } from "../gc/text.ts";
import { streamJson } from "../stream-json.ts";

export default command(
  {
    flags: {
      dataset: { type: "string", valueHint: "D", description: "the dataset; needed" },
      force: { type: "boolean", description: "do it; only together with --yes" },
      yes: { type: "boolean", description: "yes, all of it, newest versions too" },
    },
    about: `Takes every artifact of a dataset, newest versions too, and every stray file in its directory, whatever their age. Tombstones stay, so that lineage has no holes.

What is pinned, has an alias, is in use, waits for delivery, or is what something that stays was made from is kept and listed, and the exit code is 3. Bytes that
another dataset uses as well get a place among that dataset's, durably, before the old one goes. Without --force --yes the plan is shown, nothing is deleted,
and the exit code is 5.`,
    examples: [
      ["coffer artifacts purge --dataset corn", "what would go"],
      ["coffer artifacts purge --dataset corn --force --yes", "delete it"],
    ],
    exits: {
      "3": "done, but for what is protected, in use, or could not be deleted",
      "4": "there is no such dataset",
      "5": "not confirmed, or stopped: nothing was deleted",
    },
  },
  async ({ flags, io }) =>
    untilStopped(io, async (work) => {
      const { dataset } = flags;
      if (dataset === undefined)
        throw new CofferError("USAGE", "which dataset?", { hint: "name it with --dataset; coffer stats lists them; nothing was deleted" });
      const isMeant = flags.force && flags.yes;
      using store = await io.openStore({ make: false, access: isMeant ? "make-room" : "read" });
      await lookAtDatabase(io, store, work, { thoroughly: isMeant });
      requireDataset(store, dataset);
      if (isMeant) requireConfirmed(store, false);
      const plan = await pausing(planning(store, PURGE_RULES, { dataset, part: "purge" }), work.pause);
      const isNothing = plan.totals.items + plan.totals.kept + plan.rehouse.length === 0;
      if (!isMeant) {
        if (io.json) streamJson(purgeDocument(plan, dataset), io.write);
        else io.print(plan, () => renderPlan(plan) + renderRehouse(plan));
        if (isNothing) return EXIT.done;
        io.say.error(`not confirmed, so nothing was deleted: coffer artifacts purge --dataset ${dataset} --force --yes does it`);
        return EXIT.refused;
      }
      // in words now: what it tells of is gone after the sweep
      const told = io.json ? spelledOut(purgeDocument(plan, dataset)) : undefined;
      const { applied, exit } = await applyPlan(io, store, plan, work);
      if (told) streamJson({ ...told, applied }, io.write);
      else for (const piece of renderSwept(plan, applied)) io.write(piece);
      return exit === EXIT.done && plan.totals.kept + applied.stayed.length > 0 ? EXIT.partly : exit;
    }),
);

/** As of gc, without its rules: a purge has none. */
interface PurgeDocument extends Omit<PlanDocument, "schema" | "rules" | "waiting" | "limit"> {
  schema: "coffer.purge/1";
  dataset: string;
  rehouse: GcPlan["rehouse"];
  applied: null;
}

function purgeDocument(plan: GcPlan, dataset: string): PurgeDocument {
  const { schema: _schema, rules: _rules, waiting: _waiting, limit: _limit, ...rest } = planDocument(plan);
  return { schema: "coffer.purge/1", dataset, ...rest, rehouse: plan.rehouse, applied: null };
}

function renderRehouse({ rehouse }: GcPlan): string {
  return section(
    "other datasets use these bytes too; they move to them",
    bySource(rehouse, ({ dataset }) => dataset).map(({ from, to, blobs, bytes }) => `${blobs} of ${from} to ${to}: ${formatBytes(bytes)}`),
  );
}
