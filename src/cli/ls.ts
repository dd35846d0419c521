import * as artifacts from "../db/artifacts.ts";
import type { ArtifactFilter, ArtifactRow } from "../db/artifacts.ts";
import { checkArtifactType } from "../domain/artifact-type.ts";
import { CofferError } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { summarizeArtifact } from "../registry/describe.ts";
import type { ArtifactSummary } from "../registry/describe.ts";
import { resolveRun } from "../registry/resolve.ts";
import { meets, parseCondition } from "../registry/where.ts";
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
      type: { type: "string", valueHint: "TYPE", description: "only this type: model, dataset, plot, …" },
      run: { type: "string", valueHint: "RUN", description: "only what this run made" },
      pipeline: { type: "string", valueHint: "ID", description: "only this pipeline" },
      dataset: { type: "string", valueHint: "NAME", description: "only this dataset" },
      tag: { type: "string", valueHint: "KEY[=VALUE]", multiple: true, description: "only with this tag, on the artifact or its run; all must hold" },
      where: { type: "string", valueHint: "CONDITION", multiple: true, description: "only where it holds, such as 'metrics.rmse < 0.2'; all must hold" },
      all: { type: "boolean", description: "also what was withdrawn or removed" },
      limit: { type: "string", valueHint: "N", description: `at most N, the newest first (${SHOWN}; 0 is all)` },
    },
    about: "Conditions compare metrics.KEY, params.KEY, tags.KEY, name, type, class, dataset, pipeline, path, version, step, size, files or created with = != < <= > >=.",
    examples: [
      ["coffer ls", "the newest artifacts"],
      ["coffer ls --type model --where 'metrics.accuracy > 0.9'", "good models"],
      ["coffer ls churn-model", "all versions of a name"],
    ],
    exits: { "4": "the run that was named does not exist" },
  },
  async ({ flags, positionals, io }) => {
    if (positionals[0] !== undefined && flags.name !== undefined) throw new CofferError("USAGE", "a name was given twice", { hint: "give it once" });
    const limit = parseLimit(flags.limit, SHOWN);
    const conditions = flags.where.map(parseCondition);
    using store = await io.openStore({ make: false });
    const name = positionals[0] ?? flags.name;
    const filter: ArtifactFilter = {
      ...(name !== undefined && { name }),
      ...(flags.type !== undefined && { type: checkArtifactType(flags.type) }),
      ...(flags.run !== undefined && { run: resolveRun(store, flags.run).seq }),
      ...(flags.pipeline !== undefined && { pipeline: flags.pipeline }),
      ...(flags.dataset !== undefined && { dataset: flags.dataset }),
      tags: flags.tag.map(parseTagFilter),
      states: flags.all ? ["live", "withdrawn", "removed", "deleted"] : ["live"],
      ...(conditions.length === 0 && limit > 0 && { limit: limit + 1 }),
    };
    const found = artifacts.list(store.db, filter).filter((row: ArtifactRow) => meets(store, row, conditions));
    const shown = limit > 0 ? found.slice(0, limit) : found;
    io.print({ schema: "coffer.ls/1", artifacts: shown.map((row) => summarizeArtifact(store, row)) }, ({ artifacts: rows }) => render(rows));
    if (shown.length < found.length && flags.limit === undefined) io.say.info(`there are more than ${limit}; --limit 0 shows all`);
  },
);

function render(rows: readonly ArtifactSummary[]): string {
  return table(
    ["REF", "TYPE", "SIZE", "FILES", "DATASET", "CREATED (UTC)", "STATE"],
    rows.map((row) => [row.ref, row.type, formatBytes(row.size), row.kind === "tree" ? String(row.files) : "", row.dataset ?? "", row.created_at.slice(0, 19).replace("T", " "), row.state === "live" ? "" : row.state]),
    "no artifacts",
  );
}
