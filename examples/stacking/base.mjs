// node base.mjs CLASS: a base model, fitted to the first half of the penguins.
import { write } from "../learning/outputs.mjs";
import { errorOf, fitRegressor, loadWeights, predictWith } from "./regressors.mjs";

const { base, test } = loadWeights();
const model = fitRegressor(process.argv[2], base);
const error = errorOf(test, (row) => predictWith(model, row.features));
write("model.json", model);
write("metrics.json", { test: { rmse: error } });
console.log(`${model.class}: wrong by ${error.toFixed(0)} g`);
