import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { ARTIFACT_TYPES, checkArtifactType, guessArtifactType } from "../../src/domain/artifact-type.ts";

test("every type of the list is taken, any other refused with the one that was meant", () => {
  for (const type of ARTIFACT_TYPES) expect(checkArtifactType(type)).toBe(type);
  for (const [text, hint] of [
    ["modle", /did you mean model\?/],
    ["Model", /did you mean model\?/],
    ["", /^types: /],
    ["zebra", /^types: /],
  ] as const)
    expect(() => checkArtifactType(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID", hint: expect.stringMatching(hint) }));
});

test("a name or extension stands for one type", () => {
  const source = readFileSync(join(import.meta.dir, "../../src/domain/artifact-type.ts"), "utf8");
  const named: string[] = /FILES_OF = \{([^}]*)\}/.exec(source)?.[1]?.match(/"[^"]+"/g) ?? [];
  expect(named).toContain(`"onnx"`);
  expect(named.filter((name, index) => named.indexOf(name) !== index)).toEqual([]);
});

test.each([
  ["model.onnx", "model"],
  ["deep/down/w.PT", "model"],
  ["plots/roc.png", "plot"],
  ["data.csv", "dataset"],
  ["metrics.json", "metrics"],
  ["other.json", "file"],
  ["params.yaml", "config"],
  ["train.log", "log"],
  ["log", "file"],
  [".log", "file"],
  ["last.ckpt", "checkpoint"],
  ["a.b/noext", "file"],
  ["constructor", "file"],
  ["out/Metrics.JSON", "metrics"],
  ["params.yml", "config"],
  ["my.params.json", "file"],
  ["x.constructor", "file"],
  ["x.__proto__", "file"],
] as const)("%s is most likely a %s", (path, type) => {
  expect(guessArtifactType(path)).toBe(type);
});
