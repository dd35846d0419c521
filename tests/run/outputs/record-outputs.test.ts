import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { keepOutputs } from "../../../src/run/finish.ts";
import { findOutputs } from "../../../src/run/outputs/record-outputs.ts";
import type { FoundOutputs } from "../../../src/run/outputs/record-outputs.ts";
import * as edges from "../../../src/db/records/edges.ts";
import { endedRun, requestOf, SUCCESS } from "../ended-run.ts";

function manifest(...items: object[]): string {
  return JSON.stringify({ schema_version: "2.0", artifacts: { schema_version: "2.0", items } });
}

function units({ units: found }: FoundOutputs): string[] {
  return found.map(
    ({ path, kind, type, class: name, typed, move }) =>
      `${path} ${kind} ${type} ${name ?? "-"}${typed ? " typed" : ""}${move ? " moves" : ""}`,
  );
}

test("what somebody says of an output decides how its file is named, and comes before the directory that it lies in", async () => {
  using run = await endedRun(
    {
      "d/m.bin": "m",
      "d/other": "o",
      top: "t",
      "manifest.yaml": manifest({ artifact_id: "m", path: "d/m.bin", artifact_type: "model", class_name: "Ridge" }),
    },
    { policy: "scratch" },
  );
  const found = await findOutputs(run.store, run.begun.workspace, requestOf({ register: new Map([["top", ["t"]]]) }), true);
  expect(units(found)).toEqual(["top file model - typed moves", "d/m.bin file model Ridge typed moves", "d tree file - moves"]);
  expect([...found.said.values()].flat().map(({ id }) => id)).toEqual(["m"]);
  expect([found.outputs.isLeftOut("manifest.yaml"), found.outputs.isLeftOut(".tmp")]).toEqual([false, true]);
});

test("a path through a link that leads out is no output, whoever names it", async () => {
  using run = await endedRun({ "manifest.yaml": manifest({ artifact_id: "m", path: "out/passwd" }) });
  symlinkSync("/etc", join(run.begun.workspace, "out"));
  const found = await findOutputs(run.store, run.begun.workspace, requestOf({ register: new Map([["out/hosts", ["h"]]]) }), false);
  expect(units(found)).toEqual([]);
  expect(found.problems.map(({ path, failed }) => `${path} ${failed}`).toSorted()).toEqual([
    "out true",
    "out/hosts true",
    "out/passwd true",
  ]);
  expect([...found.refused]).toEqual(["m"]);
});

test("a link inside the workspace is taken for what it points to, and not moved", async () => {
  using run = await endedRun({ "ckpt/5.pt": "5" });
  symlinkSync("5.pt", join(run.begun.workspace, "ckpt/best.pt"));
  const found = await findOutputs(run.store, run.begun.workspace, requestOf({ register: new Map([["ckpt/best.pt", ["best"]]]) }), true);
  expect(units(found)[0]).toMatch(/^ckpt\/best\.pt file \S+ - typed$/);
  expect(found.units[0]?.source).toBe(join(run.begun.workspace, "ckpt/5.pt"));
});

test("coffer's own names are so on the top level only: below it they are files like any other", async () => {
  const said = manifest({ artifact_id: "m", path: "m.bin" });
  const files = {
    ".coffer-end.json": "precious",
    "d/.coffer-end.json": "precious",
    "d/manifest.yaml": "mine",
    "manifest.yaml": said,
    "m.bin": "m",
  };
  using run = await endedRun(files, { policy: "scratch" });
  const { outputs, units: found, problems } = await findOutputs(run.store, run.begun.workspace, requestOf(), true);
  expect(found.map(({ path }) => path)).toEqual(["m.bin", "d"]);
  for (const path of [".coffer-end.json", "manifest.yaml"])
    expect([outputs.ignoredWithin({ path: "d" }, path), outputs.isLeftOut(path), outputs.isLeftOut(`d/${path}`)]).toEqual([
      false,
      false,
      false,
    ]);
  expect(problems).toEqual([{ path: ".coffer-end.json", why: "coffer keeps this name for itself", failed: true }]);
});

test("one problem, and nothing of the workspace moves", async () => {
  using run = await endedRun({ a: "1", "d/b": "2" }, { policy: "scratch" });
  const rules = requestOf({ register: new Map([["missing", ["m"]]]) });
  expect(units(await findOutputs(run.store, run.begun.workspace, rules, true)).some((unit) => unit.endsWith("moves"))).toBe(false);
  expect(units(await findOutputs(run.store, run.begun.workspace, requestOf(), true)).every((unit) => unit.endsWith("moves"))).toBe(true);
});

test("dependencies are edges in the order in which they were named, with what the run read behind them", async () => {
  using run = await endedRun({
    a: "a",
    b: "b",
    c: "c",
    "manifest.yaml": manifest(
      { artifact_id: "c", path: "c", depends_on: ["b", "a"] },
      { artifact_id: "a", path: "a" },
      { artifact_id: "b", path: "b", depends_on: ["a"] },
    ),
  });
  const { artifacts } = await keepOutputs(run.store, run.begun, run.request, SUCCESS, run.ended);
  expect(artifacts.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  const [a, b, c] = artifacts.map(({ seq }) => seq);
  expect(edges.dependencies(run.store.db, c as number).map(({ dependency }) => dependency)).toEqual([b as number, a as number]);
});

test("a chain of a thousand items is registered in the time of a breath", async () => {
  const items = Array.from({ length: 1000 }, (_, index) => ({
    artifact_id: `p:${index}:all`,
    path: `f${index % 10}`,
    depends_on: index > 0 ? [`p:${index - 1}:all`] : [],
  })).toReversed();
  const files = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`f${index}`, `${index}`]));
  using run = await endedRun({ ...files, "manifest.yaml": manifest(...items) }, { set: { "artifact_store.max_dependency_depth": 2000 } });
  const { artifacts, incomplete } = await keepOutputs(run.store, run.begun, run.request, SUCCESS, run.ended);
  expect([artifacts.length, incomplete]).toEqual([1000, false]);
});

test("an empty workspace, and one with nothing but what rules leave out, have no outputs", async () => {
  using run = await endedRun({ ".tmp/x": "x" });
  mkdirSync(join(run.begun.workspace, "__pycache__"));
  const found = await findOutputs(run.store, run.begun.workspace, requestOf(), false);
  expect([units(found), found.problems, found.notes]).toEqual([[], [], []]);
});
