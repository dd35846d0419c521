import { formatBytes } from "../../domain/quantity.ts";
import { requireDataset } from "../../gc/dataset.ts";
import { countOrphans } from "../../gc/plan/orphans.ts";
import type { Orphans } from "../../gc/plan/orphans.ts";
import { datasetStats } from "../../registry/stats.ts";
import type { DatasetStats } from "../../registry/stats.ts";
import { command } from "../command.ts";
import { orphanWords } from "./orphans.ts";
import { fields, table } from "../table.ts";

export default command(
  {
    flags: { dataset: { type: "string", valueHint: "D", description: "of this dataset only" } },
    about:
      "References are artifacts in sight, unique their different contents. coffer stats has the rest: workspaces, cache, MLflow's tree, deliveries.",
    examples: [["coffer artifacts stats --dataset corn", "what a dataset takes"]],
    exits: { "4": "there is no such dataset" },
  },
  async ({ flags, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    const dataset = flags.dataset ?? null;
    if (dataset !== null) requireDataset(store, dataset);
    io.print({ ...datasetStats(store, dataset), orphans: countOrphans(store, dataset) }, render);
  },
);

function render({ dataset, orphans, ...sums }: DatasetStats & { orphans: Orphans }): string {
  return [
    fields([
      ["dataset", dataset ?? "all"],
      ["references", sums.references],
      ["unique", `${sums.unique} (deduplication ratio ${sums.ratio.toFixed(3)})`],
      ["logical", formatBytes(sums.logical)],
      ["stored", `${formatBytes(sums.stored)} in ${sums.blobs} blobs, ${sums.packed} of them in packs`],
      ["on disk", `${formatBytes(sums.disk.bytes)} in ${sums.disk.files} files at ${sums.disk.path}`],
      ["orphans", orphanWords(orphans)],
    ]),
    `\n${table(
      ["TYPE", "ARTIFACTS", "LOGICAL"],
      sums.by_type.map((row) => [row.key, String(row.artifacts), formatBytes(row.bytes)]),
      "no artifacts",
    )}`,
  ].join("");
}
