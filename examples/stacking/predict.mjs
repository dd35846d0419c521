// coffer load --meta REF --for-prediction --json | node predict.mjs: the model and its sources, in the order of its features.
import { readFileSync } from "node:fs";
import { readJson } from "../learning/load.mjs";
import { writeTable } from "../learning/outputs.mjs";
import { loadWeights, predictWith } from "./regressors.mjs";

const loaded = JSON.parse(readFileSync(0, "utf8"));
const sources = loaded.sources.map(({ path }) => readJson(path));
const model = readJson(loaded.model.path);
const predictions = loadWeights().test.map(({ features, target }) => {
  const said = sources.map((source) => predictWith(source, features));
  return [...said, predictWith(model, said), target];
});
writeTable("predictions.csv", [...loaded.feature_columns, "meta", "body_mass_g"], predictions);
