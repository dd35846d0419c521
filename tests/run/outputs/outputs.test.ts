import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { listOutputs } from "../../../src/run/outputs/outputs.ts";
import { scratch } from "../wrapped.ts";

function workspace(...files: string[]): ReturnType<typeof scratch> {
  const directory = scratch();
  for (const file of files) {
    mkdirSync(dirname(directory.at(file)), { recursive: true });
    writeFileSync(directory.at(file), file);
  }
  return directory;
}

const RULES = { ignore: [".tmp", "__pycache__"], outputs: [] };

function unitsOf(path: string, rules: { ignore: string[]; outputs: string[] } = RULES): string[] {
  return listOutputs(path, rules)
    .units.map(({ path, kind }) => `${kind} ${path}`)
    .sort();
}

test("each top-level file is a unit and each top-level directory is one, an empty one too", () => {
  using directory = workspace("model.pt", "plots/loss.png", "plots/more/a.png", ".hidden", ".tmp/x", "__pycache__/y");
  mkdirSync(directory.at("empty"));
  expect(unitsOf(directory.path)).toEqual(["file .hidden", "file model.pt", "tree empty", "tree plots"]);
});

test("--output makes units of its own, and nothing else is one", () => {
  using directory = workspace("a", "b", "models/a.pt", "models/b.pt", "models/log.txt", "deep/er/c.pt");
  expect(unitsOf(directory.path, { ...RULES, outputs: ["a"] })).toEqual(["file a"]);
  expect(unitsOf(directory.path, { ...RULES, outputs: ["*.pt"] })).toEqual(["file deep/er/c.pt", "file models/a.pt", "file models/b.pt"]);
  expect(unitsOf(directory.path, { ...RULES, outputs: ["models/*.pt", "deep"] })).toEqual([
    "file models/a.pt",
    "file models/b.pt",
    "tree deep",
  ]);
  expect(unitsOf(directory.path, { ...RULES, outputs: ["models", "models/*.pt"] })).toEqual(["tree models"]);
});

test("a pattern that nothing matched is told", () => {
  using directory = workspace("a");
  expect(listOutputs(directory.path, { ignore: [], outputs: ["a", "model.pt", "x/*"] }).unmatched).toEqual(["model.pt", "x/*"]);
});

test("a pattern matches what lies in a directory that another one took", () => {
  using directory = workspace("m/a.pt", "m/deep/b.pt");
  mkdirSync(directory.at("m/empty"));
  const outputs = ["m", "m/*.pt", "m/deep", "m/empty", "b.pt", "m/c.pt"];
  expect(listOutputs(directory.path, { ignore: [], outputs }).unmatched).toEqual(["m/c.pt"]);
});

test("rules leave out what is ignored, and inside what --output names too", () => {
  using directory = workspace("models/a.pt", "models/__pycache__/m.pyc", ".tmp/keep/x", ".tmp/keep/__pycache__/y", "rest");
  const plain = listOutputs(directory.path, RULES);
  expect(plain.ignoredWithin({ path: "models" }, "__pycache__/m.pyc")).toBe(true);
  expect(plain.ignoredWithin({ path: "models" }, "a.pt")).toBe(false);
  expect([
    plain.isLeftOut(".tmp/keep/x"),
    plain.isLeftOut("models/__pycache__/m.pyc"),
    plain.isLeftOut("models/a.pt"),
    plain.isLeftOut("rest"),
  ]).toEqual([true, true, false, false]);
  const named = listOutputs(directory.path, { ...RULES, outputs: [".tmp/keep"] });
  expect(named.ignoredWithin({ path: ".tmp/keep" }, "x")).toBe(false);
  expect(named.ignoredWithin({ path: ".tmp/keep" }, "__pycache__/y")).toBe(true);
  expect([named.isLeftOut(".tmp/keep/x"), named.isLeftOut("models/a.pt"), named.isLeftOut("rest")]).toEqual([false, true, true]);
  const sloped = listOutputs(directory.path, { ignore: ["models/*.pt"], outputs: [] });
  expect(sloped.ignoredWithin({ path: "models" }, "a.pt")).toBe(true);
});

test("a link inside the workspace stands for what it points to, one out of it is refused", () => {
  using directory = workspace("w/checkpoints/5.pt", "outside");
  symlinkSync("checkpoints/5.pt", directory.at("w", "best.pt"));
  symlinkSync("checkpoints", directory.at("w", "latest"));
  symlinkSync("../outside", directory.at("w", "leak"));
  symlinkSync("/etc/passwd", directory.at("w", "absolute"));
  symlinkSync(".", directory.at("w", "self"));
  symlinkSync("gone", directory.at("w", "dangling"));
  symlinkSync("loop", directory.at("w", "loop"));
  const { units, problems } = listOutputs(directory.at("w"), RULES);
  expect(units.sort((a, b) => a.path.localeCompare(b.path))).toEqual([
    { path: "best.pt", source: directory.at("w", "checkpoints", "5.pt"), kind: "file", linked: true },
    { path: "checkpoints", source: directory.at("w", "checkpoints"), kind: "tree", linked: false },
    { path: "latest", source: directory.at("w", "checkpoints"), kind: "tree", linked: true },
  ]);
  expect(problems.map(({ path, failed }) => `${path} ${failed}`).sort()).toEqual([
    "absolute true",
    "dangling false",
    "leak true",
    "loop true",
    "self true",
  ]);
});

test("what is no file and names that are not UTF-8 are told, and do not block", () => {
  using directory = workspace("fine \uFFFD");
  Bun.spawnSync(["sh", "-c", `mkfifo fifo; : > "$(printf 'caf\\351')"; mkdir "$(printf 'dir\\351')"`], { cwd: directory.path });
  const { units, problems } = listOutputs(directory.path, RULES);
  expect(units.map((unit) => unit.path)).toEqual(["fine \uFFFD"]);
  expect(problems.map(({ path, why, failed }) => [path, why, failed]).sort()).toEqual([
    ["caf\uFFFD", "its name is not UTF-8", true],
    ["dir\uFFFD", "its name is not UTF-8", true],
    ["fifo", "it is neither a file, a directory nor a link", false],
  ]);
});

test("a workspace that the run removed is told", () => {
  using directory = workspace();
  const { units, problems } = listOutputs(directory.at("gone"), RULES);
  expect([units.length, problems.length, problems[0]?.path]).toEqual([0, 1, "."]);
});
