import { basename } from "node:path";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as metaSources from "../db/records/meta-sources.ts";
import { CofferError } from "../domain/error.ts";
import { countOf } from "../domain/quantity.ts";
import { branchMatches } from "../domain/execution-path.ts";
import type { Store } from "../store/store.ts";
import { shownName } from "./shown-name.ts";

/** The models whose predictions a meta-model is fed, as a manifest writes them. */
export interface MetaConfig {
  source_models: { artifact_id: string; feature_index: number }[];
  feature_columns: string[];
}

/** One source with the column that its predictions fill; null where an imported record has other numbers of both. */
export interface MetaSource {
  feature_index: number;
  column: string | null;
  artifact: ArtifactRow;
}

/** undefined for what has no sources. */
export function metaConfig(store: Store, artifact: ArtifactRow): MetaConfig | undefined {
  const sources = sourcesOf(store, artifact);
  if (sources.length === 0) return undefined;
  return {
    source_models: sources.map((source) => ({ artifact_id: source.artifact.id, feature_index: source.feature_index })),
    feature_columns: columnsOf(artifact),
  };
}

/**
 * What a meta-model is fed with. `prediction`: it is to be used now, so each source must be there and have its column, and there must be `columns` of them.
 * @throws CofferError USAGE for what is no meta-model, FEATURES_MISMATCH, DEPENDENCY_MISSING
 */
export function readMetaModel(
  store: Store,
  artifact: ArtifactRow,
  prediction?: { columns: number | undefined },
): { sources: MetaSource[]; feature_columns: string[] } {
  const sources = sourcesOf(store, artifact);
  const columns = columnsOf(artifact);
  if (sources.length === 0)
    throw new CofferError("USAGE", `${shownName(artifact)} is of type ${artifact.type} and has no sources`, {
      hint: "--meta takes a meta-model: coffer log PATH --type meta_model --source REF makes one",
    });
  if (!prediction) return { sources, feature_columns: columns };
  if (columns.length !== sources.length)
    throw new CofferError(
      "FEATURES_MISMATCH",
      `${shownName(artifact)} has ${countOf(columns.length, "feature column")} for ${countOf(sources.length, "source")}`,
      {
        hint: "log it again with one --feature-columns name for each --source",
      },
    );
  if (prediction.columns !== undefined && prediction.columns !== columns.length)
    throw new CofferError(
      "FEATURES_MISMATCH",
      `${shownName(artifact)} is fed ${countOf(columns.length, "feature column")}, not ${prediction.columns}: ${columns.join(", ")}`,
      { hint: "build the table of features from these sources, in this order" },
    );
  const gone = sources.filter((source) => source.artifact.blob === null);
  if (gone.length > 0)
    throw new CofferError("DEPENDENCY_MISSING", `deleted: ${gone.map((source) => source.artifact.id).join(", ")}`, {
      hint: "log the source again, and the meta-model on top of it; coffer show tells when and why a source was deleted",
    });
  return { sources, feature_columns: columns };
}

/** In the order of their features; those that gc deleted are among them, as tombstones. */
export function sourcesOf(store: Store, artifact: ArtifactRow): MetaSource[] {
  const columns = columnsOf(artifact);
  const sources = metaSources.ofArtifact(store.db, artifact.seq);
  return sources.map(({ feature_index, source }, place) => ({
    feature_index,
    column: columns.length === sources.length ? (columns[place] ?? null) : null,
    artifact: artifacts.bySeq(store.db, source) as ArtifactRow,
  }));
}

function columnsOf(artifact: ArtifactRow): string[] {
  return artifact.feature_columns === null ? [] : (JSON.parse(artifact.feature_columns) as string[]);
}

/** @throws CofferError USAGE for a meta-model without sources, and for sources of anything else */
export function requireMetaModel(type: string | undefined, sources: number, columns: readonly string[] | undefined): void {
  if (type !== "meta_model" && (sources > 0 || columns !== undefined))
    throw new CofferError("USAGE", "sources and feature columns are those of a meta-model", { hint: "add --type meta_model" });
  if (type === "meta_model" && sources === 0)
    throw new CofferError("USAGE", "a meta-model has sources: the models whose predictions it is fed", {
      hint: "name each with --source REF, in the order of its features",
    });
}

/**
 * The columns of a meta-model's features: those given, or `<Class>_pred` of each source, with a number where two are alike.
 * @throws CofferError FEATURES_MISMATCH where they are not one for each source, or not distinct
 */
export function featureColumns(sources: readonly ArtifactRow[], given: readonly string[] | undefined): string[] {
  if (given === undefined) return defaultColumns(sources);
  if (given.length !== sources.length)
    throw new CofferError("FEATURES_MISMATCH", `${countOf(given.length, "feature column")} for ${countOf(sources.length, "source")}`, {
      hint: "give one column for each source, in the same order, or none: then they are called after the sources' classes",
    });
  const bad = given.find((column, index) => column === "" || given.indexOf(column) !== index);
  if (bad !== undefined)
    throw new CofferError("FEATURES_MISMATCH", bad === "" ? "a feature column has no name" : `the feature column “${bad}” is there twice`, {
      hint: "give each column a name of its own",
    });
  return [...given];
}

/** @throws CofferError BRANCH_MISMATCH unless each source's branch path is a prefix of the meta-model's */
export function checkBranches(branch: readonly number[], sources: readonly ArtifactRow[]): void {
  const others = sources.filter((source) => !branchMatches(JSON.parse(source.branch) as number[], branch));
  if (others.length === 0) return;
  const list = others.map((source) => `${shownName(source)} is of ${branchName(JSON.parse(source.branch) as number[])}`).join(", ");
  throw new CofferError("BRANCH_MISMATCH", `branch context mismatch: the meta-model is of ${branchName(branch)}; ${list}`, {
    hint: "a source must be of the meta-model's own branch, of one that it begins with, or of none; --step says where the meta-model stands",
  });
}

function defaultColumns(sources: readonly ArtifactRow[]): string[] {
  const columns: string[] = [];
  for (const source of sources) {
    const stem = `${source.class ?? basename(source.path).replace(/(?<=.)\.[^.]*$/, "")}_pred`;
    let column = stem;
    for (let number = 2; columns.includes(column); number++) column = `${stem}_${number}`;
    columns.push(column);
  }
  return columns;
}

function branchName(branch: readonly number[]): string {
  return branch.length === 0 ? "no branch" : `branch ${branch.join(":")}`;
}
