import { fitNearestNeighbours, meanOfNeighbours } from "../learning/nearest-neighbours.mjs";
import { fitRegressionTree, predictTree } from "../learning/regression-tree.mjs";
import { fitRidge, predictRidge } from "../learning/ridge.mjs";
import { fitStandardScaler, scale } from "../learning/scaler.mjs";
import { split, rowsOf } from "../learning/split.mjs";
import { loadPenguins } from "../train/penguins.mjs";

const REGRESSORS = {
  Ridge: { fit: fitRidge, predict: predictRidge },
  KNeighbors: { fit: fitNearestNeighbours, predict: meanOfNeighbours },
  RegressionTree: { fit: fitRegressionTree, predict: predictTree },
};

/** A scaler and a regressor of this class, as one model. */
export function fitRegressor(name, rows) {
  const scaler = fitStandardScaler(rows);
  return { class: name, scaler, regressor: REGRESSORS[name].fit(rows.map((row) => ({ ...row, features: scale(scaler, row.features) }))) };
}

export function predictWith(model, features) {
  return REGRESSORS[model.class].predict(model.regressor, scale(model.scaler, features));
}

/** Root of the mean squared error, in grams. */
export function errorOf(rows, predict) {
  return Math.sqrt(rows.reduce((sum, row) => sum + (predict(row) - row.target) ** 2, 0) / rows.length);
}

/** Penguins with their weight as `target` and the three lengths as `features`: for the base models, for the meta-model, and for the test. */
export function loadWeights() {
  const rows = loadPenguins().map(({ features: [...lengths] }) => ({ target: lengths.pop(), features: lengths }));
  const parts = split(rows.length, { base: 0.5, meta: 0.25, test: 0.25 }, 1);
  return { base: rowsOf(rows, parts.base), meta: rowsOf(rows, parts.meta), test: rowsOf(rows, parts.test) };
}
