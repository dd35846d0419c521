import * as runs from "../db/runs.ts";
import { formatDuration } from "../domain/quantity.ts";
import { summarizeRun } from "../registry/describe-run.ts";
import type { RunSummary } from "../registry/describe-run.ts";
import { command } from "./command.ts";
import { limited, parseLimit } from "./limit.ts";
import { printList } from "./print-list.ts";
import { RUN_FILTER_FLAGS, runFilter } from "./run-filter.ts";

const SHOWN = 50;

export default command(
  {
    flags: {
      ...RUN_FILTER_FLAGS,
      all: { type: "boolean", description: "also runs that rm took out of sight" },
      limit: { type: "string", valueHint: "N", description: `at most N, the newest first (${SHOWN}; 0 is all)` },
    },
    examples: [
      ["coffer runs", "the newest runs"],
      ["coffer runs --state failed --limit 5", "the last five that failed"],
    ],
  },
  async ({ flags, io }) => {
    const limit = parseLimit(flags.limit, SHOWN);
    const filter = runFilter(flags, io.now());
    using store = await io.openStore({ make: false });
    const all = runs.each(store.db, {
      ...filter,
      removed: flags.all,
      ...(limit > 0 && { limit: limit + 1 }),
    });
    let isMore = false;
    const found = limited(all, limit, () => (isMore = true));
    printList(io, { schema: "coffer.runs/1", key: "runs" }, found, {
      json: summarizeRun,
      head: ["RUN", "STATE", "STARTED (UTC)", "TOOK", "NAME", "COMMAND"],
      cells: (row) => columns(summarizeRun(row)),
      none: "no runs",
    });
    if (isMore && flags.limit === undefined) io.say.info(`there are more than ${limit}; --limit 0 shows all`);
  },
);

function columns(row: RunSummary): string[] {
  return [
    row.id,
    stateWords(row),
    row.started_at.slice(0, 19).replace("T", " "),
    row.seconds === null ? "" : formatDuration(row.seconds * 1000),
    row.name ?? "",
    (row.command ?? [row.kind]).join(" ").slice(0, 60),
  ];
}

function stateWords(row: RunSummary): string {
  if (row.state === "failed" && row.exit_code !== null) return `failed (${row.exit_code})`;
  return row.state === "killed" && row.signal !== null ? `killed (${row.signal})` : row.state;
}
