/** The stages of a training pipeline whose uploads have switches in `tracking`. */
export const STAGES = ["training", "conversion", "benchmark", "hpo"] as const;
export type Stage = (typeof STAGES)[number];

/** What a file is to its stage. */
export type StagePart = "log_checkpoint" | "log_metrics_json" | "log_onnx_model" | "log_conversion_log" | "log_artifacts";

/** Which switch a file of a stage obeys beside `enabled`; undefined: none. */
export function stagePart(stage: Stage, given: "checkpoint" | "metrics" | "path", path: string): StagePart | undefined {
  if (given === "checkpoint") return "log_checkpoint";
  if (given === "metrics") return "log_metrics_json";
  if (stage === "benchmark") return "log_artifacts";
  if (stage === "conversion") return /\.(onnx|onnx_data)$/i.test(path) ? "log_onnx_model" : "log_conversion_log";
  return undefined;
}

/** Whether the switches let a file of a stage be uploaded. */
export function mayUpload(
  tracking: Readonly<Record<Stage, { readonly enabled: boolean }>>,
  stage: Stage,
  part: StagePart | undefined,
): boolean {
  const switches = tracking[stage] as { readonly enabled: boolean } & Partial<Record<StagePart, boolean>>;
  return switches.enabled && (part === undefined || switches[part] !== false);
}
