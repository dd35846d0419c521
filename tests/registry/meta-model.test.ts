import { expect, test } from "bun:test";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as edges from "../../src/db/records/edges.ts";
import { parseExecutionPath } from "../../src/domain/execution-path.ts";
import { checkBranches, featureColumns, metaConfig, readMetaModel, requireMetaModel, sourcesOf } from "../../src/registry/meta-model.ts";
import { countOf } from "../store/keep.ts";
import { openTestStore } from "../support/store.ts";
import { logFile } from "./logged.ts";

const source = (given: Partial<ArtifactRow>): ArtifactRow =>
  ({ id: "s", path: "m.bin", class: null, name: null, version: 1, branch: "[]", ...given }) as ArtifactRow;

test.each<[Partial<ArtifactRow>[], string[]]>([
  [
    [{ class: "Ridge" }, { class: "PLS" }],
    ["Ridge_pred", "PLS_pred"],
  ],
  [
    [{ class: "Ridge" }, { class: "Ridge" }, { class: "Ridge" }],
    ["Ridge_pred", "Ridge_pred_2", "Ridge_pred_3"],
  ],
  [
    [{ path: "models/forest.v2.joblib" }, { path: ".hidden" }, { path: "plain" }],
    ["forest.v2_pred", ".hidden_pred", "plain_pred"],
  ],
])("the columns of %j are called %j unless somebody says", (sources, columns) => {
  expect(featureColumns(sources.map(source), undefined)).toEqual(columns);
});

test.each([
  [["a"], "1 feature column for 2 sources"],
  [["a", "b", "c"], "3 feature columns for 2 sources"],
  [["a", "a"], "the feature column “a” is there twice"],
  [["a", ""], "a feature column has no name"],
])("columns %j for two sources are refused", (columns, message) => {
  expect(() => featureColumns([source({}), source({})], columns)).toThrow(
    expect.objectContaining({ code: "FEATURES_MISMATCH", message, hint: expect.any(String) }),
  );
});

test.each([
  [[0, 2], ["[]", "[0]", "[0,2]"], undefined],
  [[], ["[]"], undefined],
  [[0, 2], ["[0]", "[1]", "[0,2,0]"], "branch context mismatch: the meta-model is of branch 0:2; m1 is of branch 1, m2 is of branch 0:2:0"],
  [[], ["[0]"], "branch context mismatch: the meta-model is of no branch; m0 is of branch 0"],
])("a meta-model of branch %j takes sources of %j: %p", (branch, sources, message) => {
  const check = (): void =>
    checkBranches(
      branch,
      sources.map((text, index) => source({ branch: text, path: `m${index}` })),
    );
  if (message === undefined) check();
  else expect(check).toThrow(expect.objectContaining({ code: "BRANCH_MISMATCH", message }));
});

test("sources without a meta-model, and a meta-model without sources, are refused", () => {
  for (const [type, sources, columns] of [
    ["meta_model", 0, undefined],
    ["model", 1, undefined],
    [undefined, 1, undefined],
    [undefined, 0, ["a"]],
  ] as const)
    expect(() => requireMetaModel(type, sources, columns)).toThrow(expect.objectContaining({ code: "USAGE" }));
  requireMetaModel("meta_model", 1, ["a"]);
  requireMetaModel("model", 0, undefined);
});

test("a meta-model keeps its sources in order, as edges of their own role too", async () => {
  using test = await openTestStore();
  const at = (id: string) => ({ step: parseExecutionPath(id), type: "model" as const });
  const one = await logFile(test, { ...at("p:0:1:all"), class: "Ridge" });
  const two = await logFile(test, { ...at("p:2:all"), class: "PLS" });
  const data = await logFile(test, {});
  const made = await logFile(test, {
    step: parseExecutionPath("p:0:5:3:all"),
    type: "meta_model",
    sources: [two, one],
    dependsOn: [{ artifact: data }, { artifact: one, role: "features" }],
  });
  expect(metaConfig(test.store, made)).toEqual({
    source_models: [
      { artifact_id: "p:2:all", feature_index: 0 },
      { artifact_id: "p:0:1:all", feature_index: 1 },
    ],
    feature_columns: ["PLS_pred", "Ridge_pred"],
  });
  expect(edges.dependencies(test.store.db, made.seq).map(({ dependency, role }) => [dependency, role])).toEqual([
    [data.seq, "input"],
    [one.seq, "features"],
    [two.seq, "source"],
    [one.seq, "source"],
  ]);
  // a newer version of a source does not take its place
  await logFile(test, at("p:2:all"));
  expect(sourcesOf(test.store, made).map((each) => each.artifact.seq)).toEqual([two.seq, one.seq]);
  expect(metaConfig(test.store, one)).toBeUndefined();
});

test("a meta-model of another branch is refused, and nothing is stored", async () => {
  using test = await openTestStore();
  const one = await logFile(test, { step: parseExecutionPath("p:1:1:all") });
  const before = [countOf(test, "artifacts"), countOf(test, "blobs")];
  for (const id of ["p:0:3:all", "p:3:all"])
    await expect(logFile(test, { step: parseExecutionPath(id), type: "meta_model", sources: [one] })).rejects.toMatchObject({
      code: "BRANCH_MISMATCH",
    });
  expect([countOf(test, "artifacts"), countOf(test, "blobs")]).toEqual(before);
});

test("a meta-model that a run logs is of the run's branch", async () => {
  using test = await openTestStore();
  const run = test.run({ pipeline: "p", branch: "[1]", state: "running" });
  const one = await logFile(test, { step: parseExecutionPath("p:1:1:all") });
  const made = await logFile(test, { type: "meta_model", sources: [one] }, { run });
  expect(made).toMatchObject({ pipeline: "p", branch: "[1]" });
  const other = test.run({ pipeline: "p", branch: "[2]", state: "running" });
  await expect(logFile(test, { type: "meta_model", sources: [one] }, { run: other })).rejects.toMatchObject({ code: "BRANCH_MISMATCH" });
});

test("for a prediction every source must be there, with as many columns as there are", async () => {
  using test = await openTestStore();
  const one = await logFile(test, { class: "Ridge" });
  const two = await logFile(test, { class: "PLS" });
  const made = await logFile(test, { type: "meta_model", sources: [one, two], featureColumns: ["a", "b"] });
  expect(readMetaModel(test.store, made, { columns: 2 }).sources.map(({ column }) => column)).toEqual(["a", "b"]);
  expect(() => readMetaModel(test.store, made, { columns: 3 })).toThrow(
    expect.objectContaining({
      code: "FEATURES_MISMATCH",
      message: expect.stringContaining("2 feature columns, not 3: a, b"),
      hint: expect.any(String),
    }),
  );
  expect(() => readMetaModel(test.store, one)).toThrow(expect.objectContaining({ code: "USAGE" }));
  // as an import may bring it
  const wide = { ...made, feature_columns: '["a","b","c"]' };
  expect(readMetaModel(test.store, wide).sources.map(({ column }) => column)).toEqual([null, null]);
  expect(() => readMetaModel(test.store, wide, { columns: undefined })).toThrow(expect.objectContaining({ code: "FEATURES_MISMATCH" }));
});
