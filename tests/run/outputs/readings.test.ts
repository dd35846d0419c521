import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { readReadings } from "../../../src/run/outputs/readings.ts";
import type { Readings } from "../../../src/run/outputs/readings.ts";
import { holds, textOf } from "../../support/property.ts";
import { scratch } from "../wrapped.ts";

/** Reads a workspace that holds these files. */
function readingsOf(files: Record<string, string>): Readings {
  using directory = scratch();
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(directory.at(name), text);
    utimesSync(directory.at(name), 1700000000, 1700000000);
  }
  return readReadings({ workspace: directory.path });
}

const params = (text: string, name = "params.json"): Record<string, string> => Object.fromEntries(readingsOf({ [name]: text }).params);
const metrics = (text: string): [string, number, number][] =>
  readingsOf({ "metrics.json": text }).metrics.map(({ key, value, step }) => [key, value, step]);

test("a workspace without such files has no readings", () => {
  expect(readingsOf({})).toEqual({ params: new Map(), metrics: [], skipped: [] });
  expect(readingsOf({ "params.json": "", "metrics.json": "{}" })).toEqual({ params: new Map(), metrics: [], skipped: [] });
});

test("nested parameters are joined by dots, lists are indexed, and numbers stay as they were written", () => {
  expect(
    params(
      `{"model": {"layers": [64, 32], "dropout": 1e-05, "bias": true, "name": "mlp", "init": null, "extra": {}, "tags": []}, "seed": 12345678901234567890, "lr": 1.0}`,
    ),
  ).toEqual({
    "model.layers.0": "64",
    "model.layers.1": "32",
    "model.dropout": "1e-05",
    "model.bias": "true",
    "model.name": "mlp",
    "model.init": "null",
    "model.extra": "{}",
    "model.tags": "[]",
    seed: "12345678901234567890",
    lr: "1.0",
  });
});

test("Python's NaN and Infinity are read, also beside a text that says so", () => {
  expect(params(`{"a": NaN, "b": -Infinity, "c": "NaN, Infinity"}`)).toEqual({ a: "NaN", b: "-Infinity", c: "NaN, Infinity" });
  expect(metrics(`{"loss": NaN, "best": Infinity, "worst": -Infinity}`)).toEqual([
    ["loss", Number.NaN, 0],
    ["best", Number.POSITIVE_INFINITY, 0],
    ["worst", Number.NEGATIVE_INFINITY, 0],
  ]);
});

test("parameters are read from YAML too", () => {
  expect(params("model:\n  depth: 3\n  name: 'on'\nlist: [a, b]\n", "params.yaml")).toEqual({
    "model.depth": "3",
    "model.name": "on",
    "list.0": "a",
    "list.1": "b",
  });
});

test("a parameter that is a secret by its name is hidden", () => {
  expect(params(`{"wandb": {"api_key": "abc"}, "max_tokens": 5}`)).toEqual({ "wandb.api_key": "[redacted]", max_tokens: "5" });
});

test("metrics are numbers, a list of numbers is a history, and the file gives the time", () => {
  const { metrics, skipped } = readingsOf({
    "metrics.json": `{"test": {"rmse": 0.5, "note": "good", "ok": true, "none": null}, "loss": [3, null, 1], "classes": [{"f1": 0.9}, {"f1": 0.8}]}`,
  });
  expect(metrics.map(({ key, value, step }) => [key, value, step])).toEqual([
    ["test.rmse", 0.5, 0],
    ["loss", 3, 0],
    ["loss", 1, 2],
    ["classes.0.f1", 0.9, 0],
    ["classes.1.f1", 0.8, 0],
  ]);
  expect(metrics[0]?.time).toBe(1700000000000);
  expect(skipped).toEqual([
    'metrics.json: test.note is no metric: "good" is not a number',
    "metrics.json: test.ok is no metric: true is not a number",
    "metrics.json: test.none is no metric: it is null",
  ]);
});

test("a key that two ways of nesting give counts once", () => {
  const { params, skipped } = readingsOf({ "params.json": `{"a.b": 1, "a": {"b": 2}}` });
  expect([...params]).toEqual([["a.b", "1"]]);
  expect(skipped).toEqual(["params.json: the parameter a.b is there twice; the first one counts"]);
});

test.each([
  ["params.json", "{broken"],
  ["params.json", `"text"`],
  ["params.json", "{'python': 1}"],
  ["params.yaml", "a: [1\nb: 2"],
  ["metrics.json", "[1, 2"],
  ["metrics.json", "7"],
])("a broken %s (%s) is told, and costs nothing else", (name, text) => {
  const other = name.startsWith("params") ? { "metrics.json": `{"m": 1}` } : { "params.json": `{"p": 1}` };
  const { params, metrics, skipped } = readingsOf({ [name]: text, ...other });
  expect(params.size + metrics.length).toBe(1);
  expect(skipped).toHaveLength(1);
  expect(skipped[0]).toStartWith(`${name} was not read: `);
});

test("what is too large, too deep or too much is told and bounded", () => {
  expect(readingsOf({ "params.json": `{"a": "${"x".repeat(17_000_000)}"}` }).skipped).toEqual([
    "params.json was not read: it is larger than 16 MiB",
  ]);
  expect(readingsOf({ "params.json": `${'{"a":'.repeat(500)}1${"}".repeat(500)}` }).skipped[0]).toEndWith(
    "is nested deeper than 32 levels",
  );
  expect(readingsOf({ "params.json": `${"[".repeat(100_000)}${"]".repeat(100_000)}` }).skipped).toHaveLength(1);
  const many = readingsOf({ "params.json": JSON.stringify({ list: Array.from({ length: 200_001 }, (_, n) => n) }) });
  // the list itself is one
  expect([many.params.size, many.skipped]).toEqual([199_999, ["params.json: only the first 200000 values were read"]]);
  const bomb = readingsOf({
    "params.yaml": `a: &a [x,x,x,x,x,x,x,x,x,x]\n${[..."bcdefgh"].map((name, n) => `${name}: &${name} [${Array(10).fill(`*${"abcdefg"[n]}`).join(",")}]`).join("\n")}\n`,
  });
  expect([bomb.params.size, bomb.skipped.length]).toEqual([0, 1]);
  const long = readingsOf({ "metrics.json": JSON.stringify({ loss: Array(300_000).fill(0.5), after: 1 }) });
  expect([long.metrics.length, long.skipped]).toEqual([200_000, ["metrics.json: only the first 200000 values were read"]]);
});

test("a link or a FIFO of that name is not read, and does not block", () => {
  using directory = scratch();
  mkdirSync(directory.at("w"));
  writeFileSync(directory.at("outside.json"), `{"a": 1}`);
  symlinkSync("../outside.json", directory.at("w", "params.json"));
  Bun.spawnSync(["mkfifo", directory.at("w", "metrics.json")]);
  const { params, metrics, skipped } = readReadings({ workspace: directory.at("w") });
  expect(params.size + metrics.length).toBe(0);
  expect(skipped).toEqual(["params.json was not read: it is a link", "metrics.json was not read: it is not a file"]);
});

test("files that the user names are read instead, and missed when they are not there", () => {
  using directory = scratch();
  writeFileSync(directory.at("params.json"), `{"ignored": 1}`);
  writeFileSync(directory.at("conf.yml"), "lr: 0.1\n");
  const { params, skipped } = readReadings({
    workspace: directory.path,
    paramFiles: [directory.at("conf.yml")],
    metricFiles: [directory.at("gone.json")],
  });
  expect([...params]).toEqual([["lr", "0.1"]]);
  expect(skipped).toHaveLength(1);
  expect(skipped[0]).toStartWith(`${directory.at("gone.json")} was not read: ENOENT`);
});

test("aliases that stand for terabytes, or for themselves, cost a sentence, and neither time nor memory", () => {
  const skippedOf = (text: string, name = "params.yaml"): string[] => readingsOf({ [name]: text }).skipped;
  const long = `a: &a "${"x".repeat(1 << 20)}"\nb: [${"*a,".repeat(100_000)}]\n`;
  expect(skippedOf(long)).toEqual([expect.stringContaining("with its aliases written out")]);
  const pairs = Array.from({ length: 5000 }, (_, nth) => `k${nth}: 1`).join(", ");
  expect(skippedOf(`a: &a {${pairs}}\nb:\n${"- <<: *a\n".repeat(5000)}`)).toEqual([
    expect.stringContaining("with its aliases written out"),
  ]);
  // twice at each of 32 levels
  const circle = skippedOf("a: &a {b: *a, c: *a}");
  expect([circle.length, circle.at(-1)]).toEqual([22, "params.yaml: only the first 200000 values were read"]);
});

test("keys that would take gigabytes when they are joined are left out, and that is said", () => {
  const { params, skipped } = readingsOf({ "params.json": JSON.stringify({ ["x".repeat(8 << 20)]: Array(200_000).fill(1), lr: 1 }) });
  expect([[...params], skipped]).toEqual([[["lr", "1"]], ["params.json: 1 key has more than 1000 characters"]]);
});

test("whatever a file holds, it is read or left out in a sentence", () => {
  const pieces = [
    "a",
    ": ",
    "\n",
    "- ",
    "? ",
    "&a ",
    "*a",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    '"',
    "|\n",
    "<<: *a",
    "!!int ",
    "NaN",
    "-Infinity",
    "1e999",
    "0x",
    " ",
    "null",
  ];
  holds(fc.tuple(fc.constantFrom("params.json", "params.yaml", "metrics.json"), textOf(pieces)), 400, ([name, text]) => {
    const { params, metrics, skipped } = readingsOf({ [name]: text });
    expect([...params.values(), ...skipped].every((one) => typeof one === "string")).toBe(true);
    expect(metrics.every((one) => typeof one.value === "number" && one.key.length <= 1000)).toBe(true);
  });
});
