import { formatBytes } from "../../domain/quantity.ts";
import type { Preview } from "../../sync/pending/preview.ts";
import { table } from "../table.ts";

/** What would be sent, a line for each run; `files`: each file as well. */
export function planText({ runs }: Preview, files: boolean): string {
  const rows = runs.map((row) => [
    row.run,
    row.experiment,
    row.remote_run === null ? "new" : "known",
    String(row.params),
    String(row.metrics),
    String(row.files),
    formatBytes(row.bytes),
  ]);
  const sums = table(["RUN", "EXPERIMENT", "THERE", "PARAMS", "METRICS", "FILES", "BYTES"], rows, "nothing is waiting");
  if (!files) return sums;
  const lists = runs
    .filter(({ sends }) => sends.length > 0)
    .map(
      ({ run, sends }) =>
        `\n${table(
          [`FILES OF ${run}`, "BYTES"],
          sends.map(({ path, size }) => [path, formatBytes(size)]),
          "",
        )}`,
    );
  return sums + lists.join("");
}
