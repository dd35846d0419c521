// The mean score of the folds, and what their models say together of penguins that none of them has seen.
import { accuracyOf, mostLikely } from "../learning/logistic-regression.mjs";
import { load } from "../learning/load.mjs";
import { write, writeTable } from "../learning/outputs.mjs";
import { SPECIES } from "../train/penguins.mjs";
import { chancesBy, loadFolds } from "./folds.mjs";

const models = load("--step", "1", "--folds", "--type", "model");
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const together = (features) => {
  const each = models.map((model) => chancesBy(model, features));
  return SPECIES.map((_, index) => mean(each.map((chances) => chances[index])));
};
const scores = models.map(({ accuracy }) => accuracy);
const { unseen } = loadFolds();
const accuracy = accuracyOf(unseen, (row) => mostLikely(SPECIES, together(row.features)));

write("metrics.json", { cv: { accuracy: mean(scores), worst: Math.min(...scores) }, unseen: { accuracy } });
writeTable(
  "predictions.csv",
  ["species", "predicted", ...SPECIES],
  unseen.map(({ species, features }) => {
    const chances = together(features);
    return [species, mostLikely(SPECIES, chances), ...chances.map((chance) => chance.toFixed(6))];
  }),
);
console.log(
  `folds ${models.map(({ fold }) => fold).join(" ")}: mean accuracy ${mean(scores).toFixed(4)}, together ${accuracy.toFixed(4)} of the unseen`,
);
