import { expect, test } from "bun:test";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { skipRule } from "../../src/domain/skip-rule.ts";

const { skip } = DEFAULTS.tracking;
const MIB = 1024 * 1024;

test.each([
  ["x.tmp", 1, "*.tmp"],
  [".cache", undefined, ".cache"],
  ["a/.cache/b", 1, ".cache"],
  ["a.pyc", 1, "*.pyc"],
  ["deep/train.log", 1, "*.log"],
  ["__pycache__", undefined, "__pycache__"],
  ["model.logits.bin", 1, undefined],
  ["tmp/x", 1, undefined],
  ["x.tmpl", 1, undefined],
  ["my.cache", 1, undefined],
  ["catalog", 1, undefined],
  ["__pycache__2/a", 1, undefined],
  ["data.csv", 100 * MIB, undefined],
  ["data.csv", 100 * MIB + 1, "max_size"],
  ["big.bin", 101 * MIB, "max_size"],
  ["big", 101 * MIB, "max_size"],
  ["model.pt", 5000 * MIB, undefined],
  ["MODEL.SAFETENSORS", 5000 * MIB, undefined],
  ["epoch.ckpt", 5000 * MIB, undefined],
  ["deep/model.onnx", 5000 * MIB, undefined],
  ["pytorch_model-00001-of-00002.bin", 5000 * MIB, undefined],
  ["optimizer.bin", 5000 * MIB, undefined],
  ["variables.data-00000-of-00001", 5000 * MIB, undefined],
  ["model.pt.tmp", 5000 * MIB, "*.tmp"],
])("by default %s of %p bytes is left out by %p", (path, size, by) => {
  const why = skipRule(skip)(path, size);
  if (by === undefined) expect(why).toBeUndefined();
  else expect(why).toContain(by);
});

test("patterns, limit and exceptions are what the configuration says", () => {
  const rule = skipRule({ patterns: ["*.bak", "logs/*.txt"], max_size: 10, keep: ["keep.*", "*.csv"] });
  const left = ["a.bak", "logs/a.txt", "a.txt", "x.tmp", "keep.bak", "big.csv"].map((path) => rule(path, 10) !== undefined);
  expect(left).toEqual([true, true, false, false, false, false]);
  expect([rule("a.txt", 11), rule("a.csv", 11), rule("a.pt", 11)]).toEqual([
    "it has 11 B, tracking.skip.max_size is 10 B, and by its name it is no model",
    undefined,
    undefined,
  ]);
  expect(skipRule({ patterns: [], max_size: null, keep: [] })("x.tmp", 1e12)).toBeUndefined();
});
