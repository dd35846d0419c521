/**
 * Ridge regression by its normal equations, (XᵀX + λI) w = Xᵀy, with an intercept that is not held small.
 * Rows are `{features, target}`.
 */
export function fitRidge(rows, { lambda = 1 } = {}) {
  const size = rows[0].features.length + 1;
  const left = Array.from({ length: size }, (_, row) =>
    Array.from({ length: size }, (_, column) => (row === column && row > 0 ? lambda : 0)),
  );
  const right = Array(size).fill(0);
  for (const { features, target } of rows) {
    const inputs = [1, ...features];
    for (const [row, a] of inputs.entries()) {
      right[row] += a * target;
      for (const [column, b] of inputs.entries()) left[row][column] += a * b;
    }
  }
  return { class: "Ridge", lambda, weights: solve(left, right) };
}

export function predictRidge(model, features) {
  return features.reduce((sum, value, index) => sum + model.weights[index + 1] * value, model.weights[0]);
}

/** Gauss's elimination with the largest pivot. */
function solve(matrix, right) {
  const rows = matrix.map((row, index) => [...row, right[index]]);
  for (let pivot = 0; pivot < rows.length; pivot++) {
    const best = rows.findIndex(
      (row, index) => index >= pivot && rows.slice(pivot).every((other) => Math.abs(other[pivot]) <= Math.abs(row[pivot])),
    );
    [rows[pivot], rows[best]] = [rows[best], rows[pivot]];
    for (let row = pivot + 1; row < rows.length; row++) {
      const factor = rows[row][pivot] / rows[pivot][pivot];
      for (let column = pivot; column <= rows.length; column++) rows[row][column] -= factor * rows[pivot][column];
    }
  }
  const found = Array(rows.length).fill(0);
  for (let row = rows.length - 1; row >= 0; row--)
    found[row] =
      (rows[row].at(-1) - found.reduce((sum, value, column) => sum + (column > row ? rows[row][column] * value : 0), 0)) / rows[row][row];
  return found;
}
