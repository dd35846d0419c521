/** Brings each column to mean 0 and deviation 1. Rows are `{features}`. */
export function fitStandardScaler(rows) {
  return fit("StandardScaler", rows, (column) => {
    const mean = meanOf(column);
    return { shift: mean, scale: Math.sqrt(meanOf(column.map((value) => (value - mean) ** 2))) };
  });
}

/** Brings each column to between 0 and 1. */
export function fitMinMaxScaler(rows) {
  return fit("MinMaxScaler", rows, (column) => ({ shift: Math.min(...column), scale: Math.max(...column) - Math.min(...column) }));
}

/** The features of one row, scaled. */
export function scale(scaler, features) {
  return features.map((value, index) => (value - scaler.columns[index].shift) / scaler.columns[index].scale);
}

/** A plain value, as JSON can hold it. */
function fit(name, rows, ofColumn) {
  const columns = rows[0].features.map((_, index) => rows.map((row) => row.features[index]));
  return { class: name, columns: columns.map(ofColumn) };
}

function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
