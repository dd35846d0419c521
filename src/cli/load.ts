import type { ArtifactRow } from "../db/records/artifacts.ts";
import { ARTIFACT_TYPES } from "../domain/artifact-type.ts";
import { CofferError, EXIT } from "../domain/error.ts";
import { checkName } from "../domain/names.ts";
import { formatBytes } from "../domain/quantity.ts";
import { handOut, openReader } from "../registry/hand-out.ts";
import { findRecords, missingFolds } from "../registry/load.ts";
import type { Wanted } from "../registry/load.ts";
import { readMetaModel } from "../registry/meta-model.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { summarizeRecord } from "../registry/describe.ts";
import type { RecordSummary } from "../registry/describe.ts";
import type { Store } from "../store/store.ts";
import { command } from "./command.ts";
import type { Values } from "./command.ts";
import { parseContext } from "./context.ts";
import { currentRun } from "./current-run.ts";
import type { Io } from "./io.ts";
import { table } from "./table.ts";
import { writeManifests } from "./write-manifests.ts";

const FLAGS = {
  pipeline: { type: "string", valueHint: "ID", description: "of which pipeline; inside a run, of its own unless said" },
  step: { type: "string", valueHint: "N[.S]", description: "of which step; without .S every sub-step" },
  branch: {
    type: "string",
    valueHint: "N[:N…]",
    description: "records whose branch path this begins with; inside a run, its own unless said; else of every branch",
  },
  fold: { type: "string", valueHint: "N|all", description: "records of this fold and those without one; all: only those without one" },
  folds: { type: "boolean", description: "only records of numbered folds, in their order" },
  type: { type: "string", valueHint: "TYPE", options: ARTIFACT_TYPES, description: `only of this type: ${ARTIFACT_TYPES.join(", ")}` },
  dataset: { type: "string", valueHint: "NAME", description: "only of this dataset" },
  meta: { type: "string", valueHint: "REF", description: "the sources of this meta-model, in the order of its features" },
  "for-prediction": { type: "boolean", description: "with --meta: refuse unless every source is there and has its column" },
  columns: { type: "string", valueHint: "N", description: "with --for-prediction: how many feature columns there must be" },
  list: { type: "boolean", description: "a table of what would be loaded; no byte is opened" },
} as const;

export default command(
  {
    flags: FLAGS,
    about:
      "Prints the paths of a step's records, one a line, as coffer get does: by branch, sub-step, fold and id, the newest version of each. A record matches when its branch path is a prefix of the one asked for; what has no branch matches all. Metrics, configurations and logs come only where --type names them, or where they were given an id of the step. Inside a run all that is loaded becomes the run's input.",
    examples: [
      ["coffer load --pipeline pls --step 3 --branch 0:2 --type model", "what that branch of a step may use"],
      ["coffer load --pipeline pls --step 3 --folds", "the models of a cross-validation, from fold 0"],
      ["coffer load --meta stack@best --for-prediction", "what a meta-model is fed with"],
    ],
    exits: { "3": "with --meta: a source was deleted", "4": "nothing was found" },
  },
  async ({ flags, io }) => {
    const wanted = flags.meta === undefined ? wantedOf(flags, io) : undefined;
    if (wanted) refuse(flags, ["for-prediction", "columns"], "goes with --meta REF");
    else refuse(flags, ["pipeline", "step", "branch", "fold", "folds", "type", "dataset"], "does not go with --meta: it has its sources");
    using store = await io.openStore({ make: false, access: "hand-out" });
    const exit = wanted ? await loadStep(store, io, wanted, flags.list) : await loadMeta(store, io, flags);
    // a run may have been given something after its end
    await writeManifests(store);
    return exit;
  },
);

async function loadStep(store: Store, io: Io, wanted: Wanted, isList: boolean): Promise<number> {
  const found = findRecords(store, wanted);
  const missing = wanted.hasFold ? missingFolds(found) : [];
  const paths = isList ? [] : await handOut(store, openReader(store, currentRun(store, io.env)), found);
  const records = found.map((row, index) => ({ ...summarizeRecord(store, row), path: paths[index] ?? null }));
  io.print({ schema: "coffer.load/1", records, missing_folds: missing }, (document) => render(document.records, isList));
  for (const { branch, sub_step, folds } of missing)
    io.say.warn(
      `${folds.length === 1 ? "there is no fold" : "there are no folds"} ${folds.join(", ")}${branch.length > 0 ? ` of branch ${branch.join(":")}` : ""}${sub_step === null ? "" : ` of sub-step ${sub_step}`}`,
    );
  return EXIT.done;
}

async function loadMeta(store: Store, io: Io, flags: Values<typeof FLAGS>): Promise<number> {
  const { artifact } = resolveArtifact(store, flags.meta as string);
  const columns = flags.columns === undefined ? undefined : Number(/^[1-9][0-9]{0,8}$/.exec(flags.columns)?.[0] ?? Number.NaN);
  if (Number.isNaN(columns))
    throw new CofferError("VALUE_INVALID", `--columns ${flags.columns} is not a number of columns`, { hint: "give a number from 1" });
  if (columns !== undefined && !flags["for-prediction"])
    throw new CofferError("USAGE", "--columns goes with --for-prediction", { hint: "add --for-prediction" });
  const { sources, feature_columns } = readMetaModel(store, artifact, flags["for-prediction"] ? { columns } : undefined);
  const gone = sources.filter((source) => source.artifact.blob === null);
  // the model's own path is only told in the document
  const wanted: ArtifactRow[] = [...(io.json ? [artifact] : []), ...sources.map((source) => source.artifact)].filter(
    (row) => row.blob !== null,
  );
  const paths = flags.list ? [] : await handOut(store, openReader(store, currentRun(store, io.env)), wanted);
  const pathOf = (row: ArtifactRow): string | null => paths[wanted.indexOf(row)] ?? null;
  io.print(
    {
      schema: "coffer.load-meta/1",
      model: { ...summarizeRecord(store, artifact), path: pathOf(artifact) },
      feature_columns,
      sources: sources.map((source) => ({
        feature_index: source.feature_index,
        column: source.column,
        ...summarizeRecord(store, source.artifact),
        path: pathOf(source.artifact),
      })),
    },
    (document) =>
      render(
        document.sources,
        flags.list,
        document.sources.map((source) => source.column ?? ""),
      ),
  );
  for (const { artifact: source } of gone) io.say.warn(`the source ${source.id} was deleted: coffer show ${source.id} tells when and why`);
  return gone.length > 0 ? EXIT.partly : EXIT.done;
}

function wantedOf(flags: Values<typeof FLAGS>, io: Io): Wanted {
  if (flags.folds && flags.fold !== undefined)
    throw new CofferError("USAGE", "--folds asks for all folds, --fold for one", { hint: "give one of them" });
  // where we stand says nothing of the step that is loaded
  const { COFFER_PIPELINE, COFFER_BRANCH } = io.env;
  const { pipeline, branch, step, fold } = parseContext(flags, { COFFER_PIPELINE, COFFER_BRANCH });
  if (pipeline === undefined || step === undefined)
    throw new CofferError("USAGE", "a pipeline and a step say what is loaded", {
      hint: "write coffer load --pipeline P --step N, or coffer load --meta REF",
    });
  return {
    pipeline,
    ...step,
    branch,
    fold,
    hasFold: flags.folds,
    type: flags.type,
    dataset: flags.dataset === undefined ? undefined : checkName("dataset", flags.dataset),
  };
}

function refuse<K extends keyof Values<typeof FLAGS>>(flags: Values<typeof FLAGS>, names: readonly K[], why: string): void {
  const given = names.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (given !== undefined) throw new CofferError("USAGE", `--${given} ${why}`, { hint: "see coffer load --help" });
}

function render(records: readonly (RecordSummary & { path: string | null })[], isList: boolean, columns?: readonly string[]): string {
  if (!isList) return records.flatMap(({ path }) => (path === null ? [] : [`${path}\n`])).join("");
  return table(
    ["REF", ...(columns ? ["COLUMN"] : []), "TYPE", "CLASS", "BRANCH", "STEP", "FOLD", "SIZE"],
    records.map((record, index) => [
      record.ref,
      ...(columns ? [columns[index] as string] : []),
      record.type,
      record.class ?? "",
      record.branch_path.join(":"),
      record.step_index === null ? "" : record.sub_step === null ? `${record.step_index}` : `${record.step_index}.${record.sub_step}`,
      record.step_index === null ? "" : `${record.fold_id ?? "all"}`,
      formatBytes(record.size),
    ]),
    "nothing",
  );
}
