// node meta.mjs MODEL…: a ridge regression over what the base models say, in this order, fitted to penguins that those have not seen.
import { readJson } from "../learning/load.mjs";
import { write } from "../learning/outputs.mjs";
import { errorOf, fitRegressor, loadWeights, predictWith } from "./regressors.mjs";

const sources = process.argv.slice(2).map(readJson);
const said = (row) => ({ ...row, features: sources.map((source) => predictWith(source, row.features)) });
const { meta, test } = loadWeights();
const model = fitRegressor("Ridge", meta.map(said));
const error = errorOf(test.map(said), (row) => predictWith(model, row.features));
write("meta.json", model);
write("metrics.json", { test: { rmse: error } });
console.log(`all together: wrong by ${error.toFixed(0)} g`);
