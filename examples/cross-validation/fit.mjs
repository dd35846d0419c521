// Fits a model to all folds but that of COFFER_FOLD, by which it is measured.
import { accuracyOf, fitLogisticRegression, mostLikely } from "../learning/logistic-regression.mjs";
import { describe, stepId, write } from "../learning/outputs.mjs";
import { fitStandardScaler, scale } from "../learning/scaler.mjs";
import { SPECIES } from "../train/penguins.mjs";
import { chancesBy, loadFolds } from "./folds.mjs";

const fold = Number(process.env.COFFER_FOLD);
const { folds } = loadFolds();
const training = folds.flatMap((rows, index) => (index === fold ? [] : rows));
const scaler = fitStandardScaler(training);
const scaled = training.map((row) => ({ ...row, features: scale(scaler, row.features) }));
const model = { fold, scaler, regression: fitLogisticRegression(scaled, { classes: SPECIES, epochs: 100 }) };
const accuracy = accuracyOf(folds[fold], (row) => mostLikely(SPECIES, chancesBy(model, row.features)));

write("model.json", { ...model, accuracy });
write("metrics.json", { validation: { accuracy } });
describe([{ artifact_id: stepId(1), path: "model.json", artifact_type: "model", class_name: model.regression.class }]);
console.log(`fold ${fold}: ${(accuracy * 100).toFixed(1)} % of ${folds[fold].length} penguins are told right`);
