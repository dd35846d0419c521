/** A regression tree: each node asks one question of one feature. Rows are `{features, target}`. */
export function fitRegressionTree(rows, { depth = 3, leaf = 10 } = {}) {
  return { class: "RegressionTree", depth, leaf, root: grow(rows, depth, leaf) };
}

export function predictTree(model, features) {
  let node = model.root;
  while (node.feature !== undefined) node = features[node.feature] <= node.threshold ? node.below : node.above;
  return node.value;
}

/** Splits where the squared errors of both sides are least; `leaf` is the least number of rows of a side. */
function grow(rows, depth, leaf) {
  const split = depth > 0 ? bestSplit(rows, leaf) : undefined;
  if (!split) return { value: rows.reduce((sum, row) => sum + row.target, 0) / rows.length };
  const { feature, threshold } = split;
  const [below, above] = [
    rows.filter((row) => row.features[feature] <= threshold),
    rows.filter((row) => row.features[feature] > threshold),
  ];
  return { feature, threshold, below: grow(below, depth - 1, leaf), above: grow(above, depth - 1, leaf) };
}

function bestSplit(rows, leaf) {
  let best;
  for (const feature of rows[0].features.keys()) {
    const sorted = rows.toSorted((a, b) => a.features[feature] - b.features[feature]);
    for (let count = leaf; count <= sorted.length - leaf; count++) {
      const [last, next] = [sorted[count - 1].features[feature], sorted[count].features[feature]];
      if (last === next) continue;
      const error = squaredErrors(sorted.slice(0, count)) + squaredErrors(sorted.slice(count));
      if (!best || error < best.error) best = { feature, threshold: (last + next) / 2, error };
    }
  }
  return best;
}

function squaredErrors(rows) {
  const mean = rows.reduce((sum, row) => sum + row.target, 0) / rows.length;
  return rows.reduce((sum, row) => sum + (row.target - mean) ** 2, 0);
}
