/**
 * inputs → hidden (tanh) → classes (softmax), as a plain value that JSON can hold.
 * Each feature is scaled by the mean and the deviation of the training rows.
 */
export function makeNetwork({ inputs, hidden, classes, training, random }) {
  const columns = inputs.map((_, index) => training.map((row) => row.features[index]));
  const means = columns.map((column) => column.reduce((sum, value) => sum + value, 0) / column.length);
  const deviations = columns.map((column, index) =>
    Math.sqrt(column.reduce((sum, value) => sum + (value - means[index]) ** 2, 0) / column.length),
  );
  const layer = (from, to) => ({
    weights: Array.from({ length: to }, () => Array.from({ length: from }, () => (random() * 2 - 1) / Math.sqrt(from))),
    biases: Array(to).fill(0),
  });
  return { inputs, classes, means, deviations, hidden: layer(inputs.length, hidden), output: layer(hidden, classes.length) };
}

/** The name of the class that the network holds for the most likely. */
export function predict(network, features) {
  const { chances } = forward(network, features);
  return network.classes[chances.indexOf(Math.max(...chances))];
}

/** Mean cross-entropy. */
export function lossOf(network, rows) {
  return rows.reduce((sum, row) => sum - Math.log(chanceOf(network, row, forward(network, row.features).chances)), 0) / rows.length;
}

/** One pass of stochastic gradient descent over the rows, in their order. Changes the network; returns the mean loss on the way. */
export function trainEpoch(network, rows, rate) {
  let total = 0;
  for (const row of rows) {
    const { scaled, activations, chances } = forward(network, row.features);
    total -= Math.log(chanceOf(network, row, chances));
    const wrong = chances.map((chance, index) => chance - (network.classes[index] === row.species ? 1 : 0));
    const back = activations.map(
      (activation, unit) =>
        (1 - activation ** 2) * wrong.reduce((sum, error, index) => sum + error * network.output.weights[index][unit], 0),
    );
    descend(network.output, wrong, activations, rate);
    descend(network.hidden, back, scaled, rate);
  }
  return total / rows.length;
}

function forward(network, features) {
  const scaled = features.map((value, index) => (value - network.means[index]) / network.deviations[index]);
  const activations = apply(network.hidden, scaled).map(Math.tanh);
  const scores = apply(network.output, activations);
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return { scaled, activations, chances: powers.map((power) => power / sum) };
}

function apply({ weights, biases }, values) {
  return weights.map((row, unit) => row.reduce((sum, weight, index) => sum + weight * values[index], biases[unit]));
}

function descend(layer, errors, values, rate) {
  for (const [unit, error] of errors.entries()) {
    layer.biases[unit] -= rate * error;
    for (const [index, value] of values.entries()) layer.weights[unit][index] -= rate * error * value;
  }
}

function chanceOf(network, row, chances) {
  return Math.max(chances[network.classes.indexOf(row.species)], 1e-12);
}
