import { countOf, formatBytes } from "../domain/quantity.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import { countOrphans } from "../gc/plan/orphans.ts";
import type { Orphans } from "../gc/plan/orphans.ts";
import { stats } from "../registry/stats.ts";
import type { Stats } from "../registry/stats.ts";
import { command } from "./command.ts";
import { hintAtServers } from "./server-hint.ts";
import { orphanWords } from "./artifacts/orphans.ts";
import { uploadWords } from "./stats/upload-words.ts";
import { fields, table } from "./table.ts";

/** What repairs and rebuilds leave, and no gc takes. */
const KEPT = ["damaged", "aside"] as const;
const KEPT_WORDS = "damaged files and databases that were set aside stay until you remove them";

export default command(
  {
    flags: {
      uploads: { type: "boolean", description: "only what was sent to tracking servers: done, failed, sent again, bytes, by server" },
    },
    about:
      "logical counts each artifact by itself, stored what their bytes take once each is kept once. work, store, cache and MLflow are measured on the disk, an inode that two of them show counts for the first. “twice” is an estimate: stored blobs for which there is a file elsewhere that is exactly as large, each counted once.",
    examples: [
      ["coffer stats", "what takes the room"],
      ["coffer stats --uploads", "what tracking servers have, and what failed on the way"],
    ],
  },
  async ({ flags, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    if (flags.uploads) {
      const { uploadStats, uploadsText } = await import("./stats/uploads.ts");
      io.print(uploadStats(store), uploadsText);
      const { uri } = store.settings.values.tracking.mlflow;
      hintAtServers(io, store, (target) => target !== trackingTarget(uri));
      return;
    }
    io.print({ ...stats(store), orphans: countOrphans(store, null) }, render);
  },
);

function render(document: Stats & { orphans: Orphans }): string {
  const { disk, uploads } = document;
  const sums = (title: string, rows: Stats["by_type"]) =>
    `\n${table(
      [title, "ARTIFACTS", "LOGICAL"],
      rows.map((row) => [row.key, String(row.artifacts), formatBytes(row.bytes)]),
      `no ${title.toLowerCase()}`,
    )}`;
  return [
    fields([
      ["store", document.root],
      ["references", document.references],
      ["unique", `${document.unique} (deduplication ratio ${document.ratio.toFixed(3)})`],
      ["logical", formatBytes(document.logical)],
      ["stored", `${formatBytes(document.stored)} in ${countOf(document.blobs, "blob")}, ${document.packed} of them in packs`],
      ["condemned", document.condemned === 0 ? undefined : `${countOf(document.condemned, "blob")} for gc to take`],
      ["orphans", orphanWords(document.orphans)],
      ["cache", `${document.cache.hits} hits, ${document.cache.misses} misses`],
      ["uploads", uploadWords(uploads)],
    ]),
    sums("TYPE", document.by_type),
    sums("DATASET", document.by_dataset),
    sums("RUN", document.by_run),
    `\n${table(
      ["ON DISK", "FILES", "BYTES", "WHERE"],
      [...(["store", "work", "cache", "mlflow", "staging"] as const), ...KEPT.filter((key) => disk[key].files > 0)].map((key) => [
        key,
        String(disk[key].files),
        formatBytes(disk[key].bytes),
        disk[key].path,
      ]),
      "",
    )}`,
    fields([
      ["database", formatBytes(disk.database)],
      ["shared", document.shared === 0 ? undefined : `${formatBytes(document.shared)} lie in two trees but once on the disk`],
      ["kept", KEPT.every((key) => disk[key].files === 0) ? undefined : KEPT_WORDS],
      ["twice", document.twice === 0 ? undefined : `${formatBytes(document.twice)} lie on the disk twice (estimate)`],
    ]),
  ].join("");
}
