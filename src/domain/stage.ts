/** The stages of a training pipeline, with the switches in `tracking` that what they upload obeys, beside `enabled`. */
const SWITCHES = {
  training: { checkpoint: "log_checkpoint", metrics: "log_metrics_json" },
  conversion: { model: "log_onnx_model", log: "log_conversion_log" },
  benchmark: { file: "log_artifacts" },
  hpo: { checkpoint: "log_checkpoint" },
} as const;

export type Stage = keyof typeof SWITCHES;
export const STAGES = Object.keys(SWITCHES) as Stage[];

/** What a file is to its stage: named as a checkpoint or as the metrics file, told by its name in a conversion, or just a file. */
export type StagePart = "checkpoint" | "metrics" | "model" | "log" | "file";

/** The stages that know a part. */
export function stagesOf(part: StagePart): Stage[] {
  return STAGES.filter((stage) => part in SWITCHES[stage]);
}

/** An ONNX model, or the tensors that one keeps beside itself. */
export function isOnnx(path: string): boolean {
  return /\.onnx(?:[._]data)?$/i.test(path);
}

/** The switches as a configuration holds them. */
export type StageSwitches = Readonly<Record<Stage, { readonly enabled: boolean }>>;

/** The key of the switch that keeps a file of a stage from MLflow; undefined where none does. */
export function switchedOffBy(tracking: StageSwitches, stage: Stage, part: StagePart): string | undefined {
  const switches = tracking[stage] as Readonly<Record<string, boolean>>;
  const own = (SWITCHES[stage] as Partial<Record<StagePart, string>>)[part];
  const off = ["enabled", ...(own === undefined ? [] : [own])].find((key) => switches[key] === false);
  return off && `tracking.${stage}.${off}`;
}
