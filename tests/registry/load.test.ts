import { expect, test } from "bun:test";
import { parseExecutionPath } from "../../src/domain/execution-path.ts";
import * as artifacts from "../../src/db/records/artifacts.ts";
import { findRecords, missingFolds } from "../../src/registry/load.ts";
import type { Wanted } from "../../src/registry/load.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { logFile } from "./logged.ts";

const ANY: Wanted = {
  pipeline: "p",
  step: 3,
  subStep: null,
  branch: undefined,
  fold: undefined,
  hasFold: false,
  type: undefined,
  dataset: undefined,
};

async function storeWith(...ids: string[]): Promise<TestStore> {
  const test = await openTestStore();
  for (const id of ids) await logFile(test, { step: parseExecutionPath(id), type: "model" });
  return test;
}

const ids = (test: TestStore, wanted: Partial<Wanted>): string[] => findRecords(test.store, { ...ANY, ...wanted }).map(({ id }) => id);

const BRANCHES = ["p:3:all", "p:0:3:all", "p:0:2:3:all", "p:0:2:1:3:all", "p:1:3:all", "p:4:all", "q:3:all"];
test.each([
  [undefined, ["p:3:all", "p:0:3:all", "p:0:2:3:all", "p:0:2:1:3:all", "p:1:3:all"]],
  [[], ["p:3:all"]],
  [[0], ["p:3:all", "p:0:3:all"]],
  [
    [0, 2],
    ["p:3:all", "p:0:3:all", "p:0:2:3:all"],
  ],
  [
    [1, 0],
    ["p:3:all", "p:1:3:all"],
  ],
  [[2], ["p:3:all"]],
])("of branch %j come the records whose branch path is a prefix of it", async (branch, wanted) => {
  using test = await storeWith(...BRANCHES.toReversed());
  expect(ids(test, { branch })).toEqual(wanted);
});

test.each([
  [undefined, ["p:3:all", "p:3:0", "p:3:2", "p:3:10"]],
  [0, ["p:3:all", "p:3:0"]],
  [10, ["p:3:all", "p:3:10"]],
  [7, ["p:3:all"]],
  [null, ["p:3:all"]],
])("asked for fold %j, records without a fold stay", async (fold, wanted) => {
  using test = await storeWith("p:3:10", "p:3:all", "p:3:2", "p:3:0");
  expect(ids(test, { fold })).toEqual(wanted);
});

test("all folds come in the order of their numbers, and those that are missing are told", async () => {
  using test = await storeWith("p:3:10", "p:3:all", "p:3:2", "p:3:0", "p:3:1", "p:0:3.1:1", "p:0:3.1:0");
  const found = findRecords(test.store, { ...ANY, hasFold: true });
  expect(found.map(({ id }) => id)).toEqual(["p:3:0", "p:3:1", "p:3:2", "p:3:10", "p:0:3.1:0", "p:0:3.1:1"]);
  expect(missingFolds(found)).toEqual([{ branch: [], sub_step: null, folds: [3, 4, 5, 6, 7, 8, 9] }]);
  expect(missingFolds(findRecords(test.store, { ...ANY, subStep: 1 }))).toEqual([]);
});

test("a step without a sub-step is all its sub-steps, in their order", async () => {
  using test = await storeWith("p:3.10:all", "p:3.2:all", "p:3:all");
  expect([ids(test, {}), ids(test, { subStep: 2 })]).toEqual([["p:3:all", "p:3.2:all", "p:3.10:all"], ["p:3.2:all"]]);
});

test("of each id comes the newest version in sight, whatever it is called", async () => {
  using test = await openTestStore();
  const step = parseExecutionPath("p:3:0");
  await logFile(test, { step });
  const second = await logFile(test, { step, name: "a-name" });
  expect(findRecords(test.store, ANY).map(({ seq }) => seq)).toEqual([second.seq]);
});

test("what a run of the step made is one record by branch, fold and path: a later run's is newer", async () => {
  using test = await openTestStore();
  const at = (fold: number) => test.run({ pipeline: "p", branch: "[0]", step: 3, fold });
  const [old, zero, one] = [at(0), at(0), at(1)];
  for (const run of [old, zero, one]) await test.add({ run, path: "model.bin" });
  await test.add({ run: zero, path: "deep/model.bin" });
  expect(findRecords(test.store, { ...ANY, branch: [0] }).map((row) => [row.run, row.path, row.branch])).toEqual([
    [zero.seq, "deep/model.bin", "[0]"],
    [zero.seq, "model.bin", "[0]"],
    [one.seq, "model.bin", "[0]"],
  ]);
});

test("names that all folds share are versions to people, and one record for each fold", async () => {
  using test = await openTestStore();
  for (const fold of [1, 0]) await test.add({ run: test.run({ pipeline: "p", step: 3, fold }), path: "m", name: "fold-model" });
  await test.add({ run: test.run({ pipeline: "p", step: 3, fold: 0 }), path: "other", name: "fold-model" });
  expect(findRecords(test.store, { ...ANY, hasFold: true }).map(({ fold, version }) => [fold, version])).toEqual([
    [0, 3],
    [1, 1],
  ]);
});

test("a run with a branch and no step gives its records the branch", async () => {
  using test = await openTestStore();
  const run = test.run({ pipeline: "p", branch: "[0,2]", fold: 1 });
  expect(await test.add({ run, path: "m" })).toMatchObject({ pipeline: "p", branch: "[0,2]", step: null, fold: 1 });
});

test("type and dataset narrow it", async () => {
  using test = await openTestStore();
  await logFile(test, { step: parseExecutionPath("p:3:all"), type: "model", dataset: "corn" });
  await logFile(test, { step: parseExecutionPath("p:3:0"), type: "dataset", dataset: "wheat" });
  expect([ids(test, { type: "dataset" }), ids(test, { dataset: "corn" })]).toEqual([["p:3:0"], ["p:3:all"]]);
});

test.each<[Partial<Wanted>, string, string[]]>([
  [{ pipeline: "pp" }, "no step of a pipeline “pp”", ["p"]],
  [{ step: 9 }, "step 9 of “p” has no record", []],
  [{ subStep: 5 }, "for what was asked", ["p:3:0 (model)", "p:0:3:1 (model)"]],
  [{ branch: [1], fold: 5 }, "for what was asked", ["p:3:0 (model)", "p:0:3:1 (model)"]],
])("nothing for %j is an error that says what there is", async (wanted, message, candidates) => {
  using test = await storeWith("p:3:0", "p:0:3:1");
  expect(() => findRecords(test.store, { ...ANY, ...wanted })).toThrow(
    expect.objectContaining({ code: "NOT_FOUND", message: expect.stringContaining(message), candidates }),
  );
});

test("what was taken out of sight, and what coffer captured, is not loaded", async () => {
  using test = await openTestStore();
  const run = test.run({ pipeline: "p", step: 3 });
  const [removed, captured, plain] = [
    await test.add({ run, path: "a" }),
    await test.add({ run, path: "b" }),
    await test.add({ run, path: "c" }),
  ];
  test.store.transaction(() => {
    artifacts.setState(test.store.db, removed.seq, "removed", test.now);
    test.store.db.query("UPDATE artifacts SET role = 'log' WHERE seq = ?").run(captured.seq);
  });
  expect(findRecords(test.store, ANY).map(({ seq }) => seq)).toEqual([plain.seq]);
});
