import * as artifacts from "../db/artifacts.ts";
import type { ArtifactFilter, ArtifactRow } from "../db/artifacts.ts";
import { ARTIFACT_TYPES } from "../domain/artifact-type.ts";
import { CofferError } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { summarizeArtifact } from "../registry/describe.ts";
import type { ArtifactSummary } from "../registry/describe.ts";
import type { Store } from "../store/store.ts";
import { resolveRun } from "../registry/resolve.ts";
import { fieldOf, meets, parseCondition } from "../registry/where.ts";
import { command } from "./command.ts";
import { parseTagFilter } from "./tag-filter.ts";
import { parseLimit } from "./limit.ts";
import { table } from "./table.ts";

const SHOWN = 100;

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
      where: {
        type: "string",
        valueHint: "CONDITION",
        multiple: true,
        description: "only where it holds, such as 'metrics.rmse < 0.2'; all must hold",
      },
      sort: {
        type: "string",
        valueHint: "FIELD[:desc]",
        description: "by a field of --where, such as metrics.rmse or metrics.accuracy:desc; what has none comes last",
      },
      all: { type: "boolean", description: "also what was withdrawn or removed" },
      limit: { type: "string", valueHint: "N", description: `at most N, the newest first (${SHOWN}; 0 is all)` },
    },
    about:
      "Conditions compare metrics.KEY, params.KEY, tags.KEY, name, type, class, dataset, pipeline, path, version, step, size, files or created with = != < <= > >=.",
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
    const conditions = flags.where.map(parseCondition);
    using store = await io.openStore({ make: false });
    const name = positionals[0] ?? flags.name;
    const filter: ArtifactFilter = {
      ...(name !== undefined && { name }),
      ...(flags.type !== undefined && { type: flags.type }),
      ...(flags.run !== undefined && { run: resolveRun(store, flags.run).seq }),
      ...(flags.pipeline !== undefined && { pipeline: flags.pipeline }),
      ...(flags.dataset !== undefined && { dataset: flags.dataset }),
      tags: flags.tag.map(parseTagFilter),
      states: flags.all ? ["live", "withdrawn", "removed", "deleted"] : ["live"],
      ...(conditions.length === 0 && flags.sort === undefined && limit > 0 && { limit: limit + 1 }),
    };
    const found = artifacts.list(store.db, filter).filter((row: ArtifactRow) => meets(store, row, conditions));
    const sorted = flags.sort === undefined ? undefined : sortBy(store, found, flags.sort);
    const shown = (sorted?.rows ?? found).slice(0, limit > 0 ? limit : undefined);
    const values = sorted && { field: sorted.field, values: shown.map((row) => sorted.values.get(row) ?? null) };
    io.print(
      { schema: "coffer.ls/1", artifacts: shown.map((row) => summarizeArtifact(store, row)), sorted: values },
      ({ artifacts: rows }) => render(rows, values),
    );
    if (shown.length < found.length && flags.limit === undefined) io.say.info(`there are more than ${limit}; --limit 0 shows all`);
  },
);

/** By a field of `--where`; what does not have it comes last. */
function sortBy(
  store: Store,
  found: readonly ArtifactRow[],
  wish: string,
): { field: string; rows: ArtifactRow[]; values: Map<ArtifactRow, string | number> } {
  const [, field = "", order] = /^(.*?)(?::(asc|desc))?$/.exec(wish) ?? [];
  const values = new Map<ArtifactRow, string | number>();
  for (const row of found) {
    const value = fieldOf(store, row, field);
    if (value !== undefined && !Number.isNaN(value)) values.set(row, value);
  }
  const [has, lacks] = [found.filter((row) => values.has(row)), found.filter((row) => !values.has(row))];
  const compare = (a: string | number, b: string | number): number =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : a === b ? 0 : 1;
  has.sort((a, b) => compare(values.get(a) as string, values.get(b) as string) * (order === "desc" ? -1 : 1));
  return { field, rows: [...has, ...lacks], values };
}

function render(
  rows: readonly ArtifactSummary[],
  sorted: { field: string; values: readonly (string | number | null)[] } | undefined,
): string {
  return table(
    ["REF", ...(sorted ? [sorted.field] : []), "TYPE", "SIZE", "FILES", "DATASET", "CREATED (UTC)", "STATE"],
    rows.map((row, index) => [
      row.ref,
      ...(sorted ? [String(sorted.values[index] ?? "")] : []),
      row.type,
      formatBytes(row.size),
      row.kind === "tree" ? String(row.files) : "",
      row.dataset ?? "",
      row.created_at.slice(0, 19).replace("T", " "),
      row.state === "live" ? "" : row.state,
    ]),
    "no artifacts",
  );
}
