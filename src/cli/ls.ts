import { search } from "../db/records/artifact-search.ts";
import type { FoundArtifact } from "../db/records/artifact-search.ts";
import { names } from "../db/records/artifacts.ts";
import { bySeq, lacksOutputs } from "../db/records/runs.ts";
import * as damage from "../db/bytes/damage.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { ARTIFACT_TYPES } from "../domain/artifact-type.ts";
import { CofferError } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { summarizeArtifact } from "../registry/describe.ts";
import { resolveRun } from "../registry/resolve.ts";
import { parseCondition, parseSort } from "../registry/where.ts";
import { command } from "./command.ts";
import { hintAtKeys, hintAtNames } from "./hint-at-names.ts";
import { parseTagFilter } from "./tag-filter.ts";
import { limited, parseLimit } from "./limit.ts";
import { printList, spelled } from "./print-list.ts";
import { WHERE_FLAG } from "./where-flag.ts";

const SHOWN = 100;
/** Looked through for one that resembles a wrong one. */
const NAMES = 1000;

export default command(
  {
    positionals: [{ name: "NAME", description: "only versions of this name" }],
    flags: {
      name: { type: "string", valueHint: "NAME", description: "only versions of this name" },
      type: { type: "string", valueHint: "TYPE", options: ARTIFACT_TYPES, description: `only this type: ${ARTIFACT_TYPES.join(", ")}` },
      run: { type: "string", valueHint: "RUN", description: "only what this run made" },
      pipeline: { type: "string", valueHint: "ID", description: "only this pipeline" },
      dataset: { type: "string", valueHint: "NAME", description: "only this dataset" },
      tag: {
        type: "string",
        valueHint: "KEY[=VALUE]",
        multiple: true,
        description: "only with this tag, on the artifact or its run; all must hold",
      },
      where: WHERE_FLAG,
      sort: {
        type: "string",
        valueHint: "FIELD[:desc]",
        description: "by a field of --where, such as metrics.rmse or metrics.accuracy:desc; what has none comes last",
      },
      all: { type: "boolean", description: "also what was withdrawn, removed or deleted" },
      limit: { type: "string", valueHint: "N", description: `at most N, the newest first (${SHOWN}; 0 is all)` },
    },
    about:
      "Conditions compare metrics.KEY, params.KEY, tags.KEY, name, type, class, dataset, pipeline, branch (0:2), step, fold (a number or all), path, version, size, files or created (a date, or a date and time, UTC unless a zone is given) with = != < <= > >=. An artifact's own params, metrics and tags come before its run's.",
    examples: [
      ["coffer ls", "the newest artifacts"],
      ["coffer ls --type model --where 'metrics.accuracy > 0.9'", "good models"],
      ["coffer ls churn-model --sort metrics.accuracy:desc", "all versions of a name, the best first"],
    ],
    exits: { "4": "the run that was named does not exist" },
  },
  async ({ flags, positionals, io }) => {
    if (positionals[0] !== undefined && flags.name !== undefined)
      throw new CofferError("USAGE", "a name was given twice", { hint: "give it once" });
    const limit = parseLimit(flags.limit, SHOWN);
    const conditions = flags.where.map((text) => parseCondition(text));
    const sort = flags.sort === undefined ? undefined : parseSort(flags.sort);
    using store = await io.openStore({ make: false, access: "read" });
    const name = positionals[0] ?? flags.name;
    const filter = {
      ...(name !== undefined && { name }),
      ...(flags.type !== undefined && { type: flags.type }),
      ...(flags.run !== undefined && { run: resolveRun(store, flags.run).seq }),
      ...(flags.pipeline !== undefined && { pipeline: flags.pipeline }),
      ...(flags.dataset !== undefined && { dataset: flags.dataset }),
      tags: flags.tag.map(parseTagFilter),
      states: flags.all ? (["live", "withdrawn", "removed", "deleted"] as const) : (["live"] as const),
      ...(limit > 0 && { limit: limit + 1 }),
    };
    let isMore = false;
    const found = limited(search(store.db, filter, conditions, sort), limit, () => (isMore = true));
    const hurt = damage.allWithDirectories(store.db);
    const values: (number | string | null)[] = [];
    const document = {
      schema: "coffer.ls/1",
      key: "artifacts",
      rest: () => (sort ? { sorted: { field: sort.field, values } } : {}),
    } as const;
    const count = printList(io, document, found, {
      json(row) {
        if (sort) values.push(spelled(row.sorted_by));
        return summarizeArtifact(store, row, { run: row.run_id, hurt });
      },
      head: ["REF", ...(sort ? [sort.field] : []), "TYPE", "SIZE", "FILES", "DATASET", "CREATED (UTC)", "STATE"],
      cells: (row) => [artifactRef(row), ...(sort ? [String(spelled(row.sorted_by) ?? "")] : []), ...columns(row, hurt)],
      none: "no artifacts",
    });
    if (count === 0) {
      const run = filter.run === undefined ? undefined : bySeq(store.db, filter.run);
      if (run && lacksOutputs(store.db, run.seq))
        io.say.warn(`not all that run ${run.id} made could be stored: coffer show ${run.id} tells why, and where it lies`);
      if (name !== undefined) hintAtNames(io, "artifact", name, names(store.db, NAMES));
      hintAtKeys(
        io,
        store,
        [...conditions, ...(sort ? [sort] : [])].map(({ field }) => field),
      );
    }
    if (isMore && flags.limit === undefined) io.say.info(`there are more than ${limit}; --limit 0 shows all`);
  },
);

function columns(row: FoundArtifact, hurt: ReadonlySet<number>): string[] {
  return [
    row.type,
    formatBytes(row.size),
    row.kind === "tree" ? String(row.files) : "",
    row.dataset ?? "",
    new Date(row.created_at).toISOString().slice(0, 19).replace("T", " "),
    [row.state === "live" ? "" : row.state, row.blob !== null && hurt.has(row.blob) ? "damaged" : ""]
      .filter((word) => word !== "")
      .join(", "),
  ];
}
