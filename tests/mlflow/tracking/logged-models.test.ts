import { expect, test } from "bun:test";
import {
  addOutputs,
  createModel,
  findModels,
  finishModel,
  listModelFiles,
  modelName,
  tagModel,
} from "../../../src/mlflow/tracking/logged-models.ts";
import { getRun } from "../../../src/mlflow/tracking/runs.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);

test("a model gets a name that MLflow takes", () => {
  for (const [given, name] of [
    ["clf", "clf"],
    ["best.v2.onnx", "best_v2_onnx"],
    [`a/b:c%d"e'f`, "a_b_c_d_e_f"],
    ["", "model"],
    ["é".repeat(300), "é".repeat(250)],
  ] as const)
    expect(modelName(given)).toBe(name);
});

live("a model is made, tagged, finished and named by its run once, however often that is repeated", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const { id: runId, experimentId } = await newRun(connection);
  expect(await findModels(connection, experimentId, runId)).toEqual([]);
  const params = [{ key: "depth", value: "3" }];
  const model = { experimentId, runId, name: modelName(`é “x”.pt`), type: "Forest", params, tags: [{ key: "a", value: "1" }] };
  const { id } = await createModel(connection, model, () => Promise.resolve(undefined));
  for (let time = 0; time < 2; time++) {
    await tagModel(connection, id, [{ key: "b", value: "2" }]);
    await finishModel(connection, id);
    await addOutputs(connection, runId, [{ id, step: 0 }]);
  }
  const tags = new Map([
    ["a", "1"],
    ["b", "2"],
  ]);
  expect(await findModels(connection, experimentId, runId)).toMatchObject([{ id, name: "é “x”_pt", isReady: true, tags }]);
  expect((await getRun(connection, runId)).models).toEqual([id]);
  expect(await listModelFiles(connection, id)).toEqual(new Map());
});

live("more models than a page holds are all found", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const { id: runId, experimentId } = await newRun(connection);
  const numbers = Array.from({ length: 101 }, (_, number) => String(number));
  for (const name of numbers)
    await createModel(connection, { experimentId, runId, name, type: "", params: [], tags: [] }, () => Promise.resolve(undefined));
  const found = await findModels(connection, experimentId, runId);
  expect(new Set(found?.map(({ name }) => name))).toEqual(new Set(numbers));
});
