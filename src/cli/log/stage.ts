import type { ArtifactType } from "../../domain/artifact-type.ts";
import { CofferError } from "../../domain/error.ts";
import { STAGES, stagesOf } from "../../domain/stage.ts";
import type { Stage, StagePart } from "../../domain/stage.ts";
import type { Settings } from "../../config/settings.ts";
import type { LoggedPath } from "../../registry/logged-path.ts";
import { stageArchive, stageCheckpoint, stageFile, stageMetricsFile } from "../../registry/stage-files.ts";
import type { StageCall } from "../../registry/stage-files.ts";
import type { Store } from "../../store/store.ts";
import type { Problem } from "../../store/ingest/walk.ts";
import type { Flags, Values } from "../command.ts";

export const STAGE_FLAGS = {
  stage: { type: "string", options: STAGES, description: "the stage: what its switches in tracking let through is uploaded" },
  checkpoint: { type: "string", valueHint: "PATH", description: "with --stage training or hpo: a checkpoint, mostly a directory" },
  "metrics-file": {
    type: "string",
    valueHint: "FILE",
    description: "with --stage training: a file of metrics, which become metrics of the run",
  },
  trial: { type: "string", valueHint: "N", description: "with --stage hpo: the number of the trial" },
  archive: { type: "boolean", description: "the checkpoint as one tar.gz with a manifest (hpo does so)" },
  "no-archive": { type: "boolean", description: "the checkpoint as it is (training does so)" },
} as const satisfies Flags;

type StageValues = Values<typeof STAGE_FLAGS>;

/** What `--stage` and its flags ask for, before anything is read. */
export interface StageWords {
  stage: Stage;
  trial: number | undefined;
  checkpoint: string | undefined;
  archive: boolean;
  metricsFile: string | undefined;
}

/** @throws CofferError USAGE, VALUE_INVALID for flags that do not go together */
export function readStageWords(flags: StageValues): StageWords | undefined {
  const { checkpoint, "metrics-file": metricsFile, archive, "no-archive": asItIs } = flags;
  const stage = flags.stage as Stage | undefined;
  if (stage === undefined) {
    const given = (["checkpoint", "metrics-file", "trial", "archive", "no-archive"] as const).find((flag) => flags[flag]);
    if (given === undefined) return undefined;
    throw new CofferError(
      "USAGE",
      `--${given} does not go without a stage: --checkpoint, --metrics-file, --trial and --archive go with --stage`,
      {
        hint: `add --stage ${STAGES.join("|")}`,
      },
    );
  }
  for (const [part, flag] of [
    ["checkpoint", "checkpoint"],
    ["metrics", "metrics-file"],
  ] as const)
    if (flags[flag] !== undefined) checkStage(stage, part, flag);
  if (flags.trial !== undefined && stage !== "hpo")
    throw new CofferError("USAGE", `--trial does not go with --stage ${stage}`, { hint: "only hpo has trials" });
  if ((archive || asItIs) && checkpoint === undefined)
    throw new CofferError("USAGE", `--${archive ? "archive" : "no-archive"} goes with --checkpoint`, { hint: "add --checkpoint PATH" });
  if (archive && asItIs) throw new CofferError("USAGE", "--archive and --no-archive contradict each other", { hint: "give one of them" });
  return {
    stage,
    trial: flags.trial === undefined ? undefined : trialOf(flags.trial),
    checkpoint,
    archive: archive || (stage === "hpo" && !asItIs),
    metricsFile,
  };
}

export interface StageOptions {
  tracking: Settings["values"]["tracking"];
  type: ArtifactType | undefined;
  ignored: (path: string) => boolean;
}

/** A stage that knows its configuration. */
export function stageCall({ stage, trial }: StageWords, options: StageOptions): StageCall {
  return { stage, trial, ...options };
}

/** What is to be logged, in the order in which it was named, and what the filter left out. Makes the archive, where one is wanted. */
export async function stagePaths(
  store: Store,
  call: StageCall,
  { checkpoint, archive, metricsFile }: StageWords,
  given: { positionals: readonly string[]; as: string | undefined },
): Promise<{ paths: LoggedPath[]; skipped: Problem[] }> {
  const paths: LoggedPath[] = [];
  const skipped: Problem[] = [];
  for (const source of given.positionals) {
    const one = stageFile(call, source, given.as);
    if ("why" in one) skipped.push(one);
    else paths.push(one);
  }
  if (metricsFile !== undefined) paths.push(await withReadings(stageMetricsFile(call, metricsFile, given.as)));
  if (checkpoint !== undefined && archive) {
    const made = await stageArchive(store, call, checkpoint, given.as);
    paths.push(...made.paths);
    skipped.push(...made.problems);
  } else if (checkpoint !== undefined) paths.push(stageCheckpoint(call, checkpoint, given.as));
  return { paths, skipped };
}

/** What is held back by its switch says nothing of the run either. */
async function withReadings(path: LoggedPath): Promise<LoggedPath> {
  if (path.heldBack !== undefined) return path;
  const { readMetricsFile } = await import("../../run/outputs/readings.ts");
  return { ...path, readings: readMetricsFile(path.source) };
}

function checkStage(stage: Stage, part: StagePart, flag: string): void {
  const stages = stagesOf(part);
  if (stages.includes(stage)) return;
  throw new CofferError("USAGE", `--${flag} does not go with --stage ${stage}`, { hint: `it goes with --stage ${stages.join(" or ")}` });
}

function trialOf(text: string): number {
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new CofferError("VALUE_INVALID", `--trial “${text}” is not the number of a trial`, { hint: "give a whole number from 0" });
}
