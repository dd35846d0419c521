import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as metrics from "../../db/records/metrics.ts";
import * as params from "../../db/records/params.ts";
import type { RunRow } from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import type { Store } from "../../store/store.ts";
import type { ExportedOrigins } from "./exported-origins.ts";
import { BLOCK_REST, fromForeignJson } from "../read/foreign-json.ts";
import type { Plain } from "../read/yaml.ts";

type Values = { readonly [key: string]: Plain };

/** What the format has no key for: of an artifact, what is not as a reader of the format alone would take it; undefined where there is nothing. */
export function itemBlock(
  store: Store,
  run: RunRow,
  artifact: ArtifactRow,
  { path, marks, isAmbiguous }: { path: string | undefined; marks: ExportedOrigins["marks"]; isAmbiguous: boolean },
): Values | undefined {
  const its = tags.of(store.db, "artifact", artifact.seq);
  const measured = JSON.parse(artifact.metrics) as Values;
  const isOfRun = artifact.name === null && artifact.id.includes("/");
  const block = {
    name: isOfRun || artifact.name === artifact.id ? undefined : artifact.name,
    dataset: datasetOf(artifact) === datasetOf(run) ? undefined : datasetOf(artifact),
    path: path === undefined || path === artifact.path ? undefined : artifact.path,
    sub_step: artifact.sub_step ?? undefined,
    kind: artifact.kind === "tree" ? "tree" : undefined,
    files: artifact.kind === "tree" ? artifact.files : undefined,
    mode: artifact.mode === (artifact.kind === "tree" ? 0o755 : 0o644) ? undefined : artifact.mode,
    description: artifact.description ?? undefined,
    metrics: Object.keys(measured).length > 0 ? measured : undefined,
    tags: Object.keys(its).length > 0 ? its : undefined,
    code_commit: artifact.code_commit ?? undefined,
    ...marks,
    ...restOf(artifact),
  };
  const isUsual = !isAmbiguous && Object.values(block).every((value) => value === undefined);
  return isUsual ? undefined : { artifact_id: artifact.id, version: artifact.version, uid: artifact.uid, ...block };
}

/** Of a run: how it went, as far as it is known here, and what it was given and measured. */
export function runBlock(store: Store, run: RunRow): Values | undefined {
  const its = {
    params: params.ofRun(store.db, run.seq),
    tags: tags.of(store.db, "run", run.seq),
    metrics: Object.fromEntries(metrics.latest(store.db, run.seq).map(({ key, value }) => [key, value])),
  };
  const filled = Object.fromEntries(Object.entries(its).filter(([, values]) => Object.keys(values).length > 0));
  const block = { ...(run.kind === "import" ? (restOf(run)["run"] as Values | undefined) : ownBlock(run)), ...filled };
  return Object.keys(block).length > 0 ? block : undefined;
}

/** What an import had in its `coffer` block that has no column. */
function restOf({ extra }: { extra: string }): Values {
  return (fromForeignJson(extra)[BLOCK_REST] ?? {}) as Values;
}

export function datasetOf({ dataset }: { dataset: string | null }): string {
  return dataset ?? DEFAULT_DATASET;
}

function ownBlock(run: RunRow): Values {
  // the format's own keys must hold something
  const none = (["pipeline", "name", "dataset"] as const).filter((key) => run[key] === null);
  return {
    kind: run.kind,
    state: run.state,
    ended_at: run.ended_at === null ? null : new Date(run.ended_at).toISOString(),
    ...(run.code_commit !== null && { code_commit: run.code_commit }),
    ...Object.fromEntries(none.map((key) => [key, null])),
  };
}
