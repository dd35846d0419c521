// Step 2 of a branch. It is not told which one: what it loads is its own branch's scaler, and the split that all branches share.
import { accuracyOf } from "../learning/logistic-regression.mjs";
import { load } from "../learning/load.mjs";
import { fitNearestNeighbours, voteOfNeighbours } from "../learning/nearest-neighbours.mjs";
import { describe, stepId, write } from "../learning/outputs.mjs";
import { scale } from "../learning/scaler.mjs";
import { rowsOf } from "../learning/split.mjs";
import { loadPenguins } from "../train/penguins.mjs";

const [parts] = load("--step", "0", "--type", "splitter");
const [scaler] = load("--step", "1", "--type", "transformer");
const scaled = (numbers) => rowsOf(loadPenguins(), numbers).map((row) => ({ ...row, features: scale(scaler, row.features) }));
const model = fitNearestNeighbours(scaled(parts.training), { k: 5 });
const test = scaled(parts.test);
const accuracy = accuracyOf(test, (row) => voteOfNeighbours(model, row.features));

write("model.json", model);
write("params.json", { k: model.k, scaler: scaler.class });
write("metrics.json", { test: { accuracy } });
describe([{ artifact_id: stepId(2), path: "model.json", artifact_type: "model", class_name: model.class }]);
console.log(`${scaler.class}: ${(accuracy * 100).toFixed(1)} % of ${test.length} penguins are told right`);
