import { lstatSync, readdirSync, writeFileSync } from "node:fs";
import type { Stats } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Config } from "../config/schema.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import { checkArtifactPath } from "../domain/names.ts";
import { skipRule } from "../domain/skip-rule.ts";
import { isOnnx, switchedOffBy } from "../domain/stage.ts";
import type { Stage, StagePart } from "../domain/stage.ts";
import { writeCheckpointArchive } from "./checkpoint-archive.ts";
import { processLease, staging } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import type { Problem } from "../store/ingest/walk.ts";
import { kindOf } from "./logged-path.ts";
import type { LoggedPath } from "./logged-path.ts";

/** A stage at work. */
export interface StageCall {
  stage: Stage;
  /** Of hpo: what belongs to it lies under `trial_<number>/`. */
  trial?: number | undefined;
  /** Its switches, and the skip filter. */
  tracking: Config["tracking"];
  /** Somebody said it. */
  type?: ArtifactType | undefined;
  /** By path within a directory: ignore rules, which hold beside the filter. */
  ignored: (path: string) => boolean;
}

/** What becomes of a file or directory that a stage is given by name: it is logged, or left out by the filter. */
export function stageFile(call: StageCall, source: string, as: string | undefined): LoggedPath | Problem {
  const absolute = resolve(source);
  const stat = statOf(absolute);
  const name = basename(absolute);
  const part = partOf(call.stage, absolute, stat);
  // a conversion's own log is what its switch is for
  const why = part === "log" && /\.log$/i.test(name) ? undefined : skipRule(call.tracking.skip)(name, sizeOf(stat));
  if (why !== undefined) return { path: source, why, failed: false };
  const isModelDirectory = part === "model" && stat?.isDirectory();
  return staged(call, part, source, as ?? inTrial(call, name), isModelDirectory ? (call.type ?? "model") : call.type);
}

/** A metrics file: at its base name, whatever the filter says, since it was named as what it is. */
export function stageMetricsFile(call: StageCall, source: string, as: string | undefined): LoggedPath {
  return staged(call, "metrics", source, as ?? inTrial(call, basename(resolve(source))), call.type);
}

/** A checkpoint as it is: a directory, or one file. */
export function stageCheckpoint(call: StageCall, source: string, as: string | undefined): LoggedPath {
  return staged(call, "checkpoint", source, as ?? inTrial(call, basename(resolve(source))), call.type ?? "checkpoint");
}

/**
 * A checkpoint as a tar.gz with its manifest beside it. Both are written to a staging directory of this process, from where they move into the store.
 * @throws CofferError UNREADABLE, STORE_UNUSABLE
 */
export async function stageArchive(
  store: Store,
  call: StageCall,
  source: string,
  as: string | undefined,
): Promise<{ paths: LoggedPath[]; problems: Problem[] }> {
  const absolute = resolve(source);
  kindOf(source);
  const path = checkArtifactPath(as ?? inTrial(call, "checkpoint.tar.gz"));
  const directory = staging(store, processLease(store));
  const [archive, beside] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()].map((name) => join(directory, name)) as [string, string];
  const leaveOut = leftOutOf(call, absolute);
  const skipped = new Map<string, string>();
  const { manifest, problems } = await writeCheckpointArchive({
    source: absolute,
    trial: call.trial,
    leaveOut: (inner) => {
      const why = leaveOut(inner);
      if (why !== undefined) skipped.set(inner, why);
      return why !== undefined || call.ignored(inner);
    },
    to: archive,
  });
  writeFileSync(beside, `${JSON.stringify(manifest, null, 2)}\n`, { flag: "wx" });
  const heldBack = heldBackBy(call, "checkpoint");
  const common = { move: true, stagedFrom: source, heldBack };
  return {
    paths: [
      { ...common, source: archive, as: path, said: { type: call.type ?? "checkpoint" } },
      {
        ...common,
        source: beside,
        as: `${path.replace(/\.(?:tar\.gz|tgz)$/i, "")}.manifest.json`,
        said: { name: undefined, type: undefined, class: undefined, step: undefined, sources: [], featureColumns: undefined },
      },
    ],
    problems: [...[...skipped].sort().map(([inner, why]) => ({ path: inner, why, failed: false })), ...problems].map((problem) => ({
      ...problem,
      path: `${manifest.extracted_path}/${problem.path}`,
    })),
  };
}

function staged(call: StageCall, part: StagePart, source: string, as: string, type: ArtifactType | undefined): LoggedPath {
  return {
    source,
    as,
    ...(type !== undefined && { said: { type } }),
    heldBack: heldBackBy(call, part),
    leaveOut: leftOutOf(call, resolve(source)),
    stagedFrom: source,
  };
}

function heldBackBy({ tracking, stage }: StageCall, part: StagePart): string | undefined {
  const key = switchedOffBy(tracking, stage, part);
  return key && `${key} is false`;
}

/** The skip filter within a directory. */
function leftOutOf({ tracking }: StageCall, directory: string): (path: string) => string | undefined {
  const rule = skipRule(tracking.skip);
  return (path) => rule(path, sizeOf(statOf(join(directory, path))));
}

function partOf(stage: Stage, absolute: string, stat: Stats | undefined): StagePart {
  if (stage !== "conversion") return "file";
  // exporters make a directory where the tensors do not fit into one file
  const names = stat?.isDirectory() ? readdirSync(absolute) : [absolute];
  return names.some(isOnnx) ? "model" : "log";
}

function inTrial({ trial }: StageCall, name: string): string {
  return trial === undefined ? name : `trial_${trial}/${name}`;
}

/** What cannot be read is told when it is to be stored. */
function statOf(absolute: string): Stats | undefined {
  try {
    return lstatSync(absolute);
  } catch {
    return undefined;
  }
}

function sizeOf(stat: Stats | undefined): number | undefined {
  return stat?.isFile() ? stat.size : undefined;
}
