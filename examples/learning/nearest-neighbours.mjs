/** k nearest neighbours: the model is its rows, `{features, species}` or `{features, target}`, scaled. */
export function fitNearestNeighbours(rows, { k = 5 } = {}) {
  return { class: "KNeighbors", k, rows };
}

/** The class that most of the neighbours have; of several, that of the nearest. */
export function voteOfNeighbours(model, features) {
  const votes = new Map();
  for (const { species } of neighboursOf(model, features)) votes.set(species, (votes.get(species) ?? 0) + 1);
  return [...votes].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/** The mean of the neighbours' targets. */
export function meanOfNeighbours(model, features) {
  return neighboursOf(model, features).reduce((sum, row) => sum + row.target, 0) / model.k;
}

function neighboursOf({ rows, k }, features) {
  const distance = (row) => row.features.reduce((sum, value, index) => sum + (value - features[index]) ** 2, 0);
  return rows
    .map((row, index) => ({ row, index, distance: distance(row) }))
    .toSorted((a, b) => a.distance - b.distance || a.index - b.index)
    .slice(0, k)
    .map(({ row }) => row);
}
