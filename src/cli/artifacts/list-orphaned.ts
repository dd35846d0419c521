import { checkDatabase } from "../../gc/check-database.ts";
import { requireDataset } from "../../gc/dataset.ts";
import { planGc } from "../../gc/plan/plan.ts";
import { orphanRules } from "../../gc/plan/rules.ts";
import { command } from "../command.ts";
import { orphansDocument, printOrphans } from "./orphans.ts";

export default command(
  {
    flags: {
      dataset: { type: "string", valueHint: "D", description: "of this dataset only" },
      grace: { type: "string", valueHint: "TIME", description: "younger files are left alone: 1h, 0 (cleanup_policy.grace)" },
    },
    about: `Files below binaries/ that no row names, bytes that no artifact names, and rows whose files are gone, each with its size. Nothing is changed.

Imported bytes that lie elsewhere are never among them.`,
    examples: [
      ["coffer artifacts list-orphaned", "of the whole store"],
      ["coffer artifacts list-orphaned --dataset corn --grace 0", "also what has just come"],
    ],
    exits: { "4": "there is no such dataset", "5": "the database is damaged" },
  },
  async ({ flags, io }) => {
    const { values } = await io.settings();
    const rules = orphanRules(flags.grace, values.artifact_store.cleanup_policy);
    using store = await io.openStore({ make: false, access: "read" });
    checkDatabase(store, { thoroughly: false });
    const dataset = flags.dataset ?? null;
    if (dataset !== null) requireDataset(store, dataset);
    printOrphans(io, orphansDocument(planGc(store, rules, { dataset, part: "orphans" })));
  },
);
