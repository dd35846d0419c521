import { expect, test } from "bun:test";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { isOnnx, STAGES, stagesOf, switchedOffBy } from "../../src/domain/stage.ts";
import type { Stage, StagePart } from "../../src/domain/stage.ts";

const { tracking } = DEFAULTS;
const PARTS: readonly StagePart[] = ["checkpoint", "metrics", "model", "log", "file"];

test("with the defaults no switch holds anything back", () => {
  expect(STAGES).toEqual(["training", "conversion", "benchmark", "hpo"]);
  for (const stage of STAGES) for (const part of PARTS) expect(switchedOffBy(tracking, stage, part)).toBeUndefined();
});

test.each([
  ["training", "log_checkpoint", "checkpoint"],
  ["training", "log_metrics_json", "metrics"],
  ["conversion", "log_onnx_model", "model"],
  ["conversion", "log_conversion_log", "log"],
  ["benchmark", "log_artifacts", "file"],
  ["hpo", "log_checkpoint", "checkpoint"],
] as const)("tracking.%s.%s stops the %s, nothing else of the stage, and nothing of another", (stage, key, stopped) => {
  const off = { ...tracking, [stage]: { ...tracking[stage], [key]: false } };
  for (const other of STAGES)
    for (const part of PARTS)
      expect([other, part, switchedOffBy(off, other, part)]).toEqual([
        other,
        part,
        other === stage && part === stopped ? `tracking.${stage}.${key}` : undefined,
      ]);
});

test.each(STAGES)("tracking.%s.enabled stops all of the stage, and nothing of another", (stage: Stage) => {
  const off = { ...tracking, [stage]: { ...tracking[stage], enabled: false } };
  for (const other of STAGES)
    for (const part of PARTS) expect(switchedOffBy(off, other, part)).toBe(other === stage ? `tracking.${stage}.enabled` : undefined);
});

test("checkpoints are of trainings and trials, metrics files of trainings", () => {
  expect([stagesOf("checkpoint"), stagesOf("metrics")]).toEqual([["training", "hpo"], ["training"]]);
});

test("ONNX models are told by their extension", () => {
  const names = ["m.onnx", "M.ONNX", "m.onnx_data", "m.onnx.data", "m.onnx.log", "onnx", "model.onnx.json", "x/m.onnx"];
  expect(names.filter(isOnnx)).toEqual(["m.onnx", "M.ONNX", "m.onnx_data", "m.onnx.data", "x/m.onnx"]);
});
