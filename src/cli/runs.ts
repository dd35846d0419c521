import * as damage from "../db/bytes/damage.ts";
import { names } from "../db/records/runs.ts";
import { RUN_FIELDS, searchRuns } from "../db/records/run-search.ts";
import { formatDuration } from "../domain/quantity.ts";
import { summarizeRun } from "../registry/describe-run.ts";
import type { RunSummary } from "../registry/describe-run.ts";
import { parseCondition, parseSort } from "../registry/where.ts";
import { command } from "./command.ts";
import { hintAtKeys, hintAtNames } from "./hint-at-names.ts";
import { limited, parseLimit } from "./limit.ts";
import { printList, spelled } from "./print-list.ts";
import { RUN_FILTER_FLAGS, runFilter } from "./run-filter.ts";
import { WHERE_FLAG } from "./where-flag.ts";

const SHOWN = 50;
/** Looked through for one that resembles a wrong one. */
const NAMES = 1000;

export default command(
  {
    flags: {
      name: { type: "string", valueHint: "NAME", description: "only runs of this name" },
      ...RUN_FILTER_FLAGS,
      where: WHERE_FLAG,
      sort: {
        type: "string",
        valueHint: "FIELD[:desc]",
        description: "by a field of --where, such as metrics.accuracy:desc or started; what has none comes last",
      },
      all: { type: "boolean", description: "also runs that rm took out of sight" },
      limit: { type: "string", valueHint: "N", description: `at most N, the newest first (${SHOWN}; 0 is all)` },
    },
    about:
      "Conditions compare metrics.KEY (the latest value), params.KEY, tags.KEY, name, state, dataset, pipeline, took (seconds) or started (a date, or a date and time, UTC unless a zone is given) with = != < <= > >=.",
    examples: [
      ["coffer runs", "the newest runs"],
      ["coffer runs --sort metrics.accuracy:desc --limit 1", "the best run"],
      ["coffer runs --state failed --limit 5", "the last five that failed"],
    ],
  },
  async ({ flags, io }) => {
    const limit = parseLimit(flags.limit, SHOWN);
    const filter = { ...runFilter(flags, io.now()), ...(flags.name !== undefined && { name: flags.name }) };
    const conditions = flags.where.map((text) => parseCondition(text, RUN_FIELDS));
    const sort = flags.sort === undefined ? undefined : parseSort(flags.sort, RUN_FIELDS);
    using store = await io.openStore({ make: false, access: "read" });
    const all = searchRuns(store.db, { ...filter, removed: flags.all, ...(limit > 0 && { limit: limit + 1 }) }, conditions, sort);
    const hurt = damage.runs(store.db);
    let isMore = false;
    const found = limited(all, limit, () => (isMore = true));
    const values: (number | string | null)[] = [];
    const document = {
      schema: "coffer.runs/1",
      key: "runs",
      rest: () => (sort ? { sorted: { field: sort.field, values } } : {}),
    } as const;
    const count = printList(io, document, found, {
      json(row) {
        if (sort) values.push(spelled(row.sorted_by));
        return summarizeRun(store, row, hurt);
      },
      head: ["RUN", ...(sort ? [sort.field] : []), "STATE", "STARTED (UTC)", "TOOK", "NAME", "COMMAND"],
      cells(row) {
        const [id = "", ...rest] = columns(summarizeRun(store, row, hurt));
        return [id, ...(sort ? [String(spelled(row.sorted_by) ?? "")] : []), ...rest];
      },
      none: "no runs",
    });
    if (count === 0) {
      if (flags.name !== undefined) hintAtNames(io, "run", flags.name, names(store.db, NAMES));
      hintAtKeys(
        io,
        store,
        [...conditions, ...(sort ? [sort] : [])].map(({ field }) => field),
      );
    }
    if (isMore && flags.limit === undefined) io.say.info(`there are more than ${limit}; --limit 0 shows all`);
  },
);

function columns(row: RunSummary): string[] {
  return [
    row.id,
    stateWords(row) +
      (row.incomplete ? ", not all stored" : "") +
      (row.wrapper_lost ? ", wrapper died" : "") +
      (row.damaged ? ", damaged" : ""),
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
