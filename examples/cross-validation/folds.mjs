import { chancesOf } from "../learning/logistic-regression.mjs";
import { scale } from "../learning/scaler.mjs";
import { rowsOf, split } from "../learning/split.mjs";
import { loadPenguins } from "../train/penguins.mjs";

/** The rows of the five folds, and those that no fold sees. */
export function loadFolds() {
  const penguins = loadPenguins();
  const parts = split(penguins.length, { 0: 0.16, 1: 0.16, 2: 0.16, 3: 0.16, 4: 0.16, unseen: 0.2 }, 4);
  return { folds: [0, 1, 2, 3, 4].map((fold) => rowsOf(penguins, parts[fold])), unseen: rowsOf(penguins, parts.unseen) };
}

/** A fold's model is a scaler and a regression. */
export function chancesBy({ scaler, regression }, features) {
  return chancesOf(regression, scale(scaler, features));
}
