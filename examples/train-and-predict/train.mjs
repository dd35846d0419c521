// Steps 0 to 2 in one run: a split, a scaler and a model, each registered under its step by manifest.yaml.
import { accuracyOf, chancesOf, fitLogisticRegression, mostLikely } from "../learning/logistic-regression.mjs";
import { describe, stepId, write } from "../learning/outputs.mjs";
import { fitStandardScaler, scale } from "../learning/scaler.mjs";
import { rowsOf, split } from "../learning/split.mjs";
import { loadPenguins, SPECIES } from "../train/penguins.mjs";

const seed = 2;
const penguins = loadPenguins();
const parts = split(penguins.length, { training: 0.8, unseen: 0.2 }, seed);
const training = rowsOf(penguins, parts.training);
const scaler = fitStandardScaler(training);
const rows = training.map((row) => ({ ...row, features: scale(scaler, row.features) }));
const model = fitLogisticRegression(rows, { classes: SPECIES });
const accuracy = accuracyOf(rows, (row) => mostLikely(SPECIES, chancesOf(model, row.features)));

write("split.json", parts);
write("scaler.json", scaler);
write("model.json", model);
write("params.json", { seed, training: parts.training.length });
write("metrics.json", { training: { accuracy } });
describe([
  { artifact_id: stepId(0), path: "split.json", artifact_type: "splitter", class_name: parts.class },
  { artifact_id: stepId(1), path: "scaler.json", artifact_type: "transformer", class_name: scaler.class, depends_on: [stepId(0)] },
  { artifact_id: stepId(2), path: "model.json", artifact_type: "model", class_name: model.class, depends_on: [stepId(1)] },
]);
console.log(`fitted to ${rows.length} penguins: ${(accuracy * 100).toFixed(1)} % of them are told right`);
