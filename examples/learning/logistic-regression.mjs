/**
 * Logistic regression for several classes (softmax), by gradient descent over all rows at once. Rows are `{features, species}`, scaled.
 * Nothing in it is random.
 */
export function fitLogisticRegression(rows, { classes, epochs = 300, rate = 0.5 }) {
  const model = { class: "LogisticRegression", classes, weights: classes.map(() => Array(rows[0].features.length + 1).fill(0)) };
  for (let epoch = 0; epoch < epochs; epoch++) {
    const gradient = model.weights.map((row) => row.map(() => 0));
    for (const { features, species } of rows) {
      const inputs = [1, ...features];
      for (const [index, chance] of chancesOf(model, features).entries()) {
        const wrong = chance - (classes[index] === species ? 1 : 0);
        for (const [column, value] of inputs.entries()) gradient[index][column] += wrong * value;
      }
    }
    for (const [index, row] of model.weights.entries())
      for (const column of row.keys()) row[column] -= (rate * gradient[index][column]) / rows.length;
  }
  return model;
}

/** How likely each class is, in the order of `classes`. */
export function chancesOf(model, features) {
  const inputs = [1, ...features];
  const scores = model.weights.map((row) => row.reduce((sum, weight, column) => sum + weight * inputs[column], 0));
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The class of the highest chance. */
export function mostLikely(classes, chances) {
  return classes[chances.indexOf(Math.max(...chances))];
}

export function accuracyOf(rows, predict) {
  return rows.filter((row) => predict(row) === row.species).length / rows.length;
}
