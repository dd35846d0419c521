const CURVE = { left: 60, top: 40, width: 340, height: 220 };
const MATRIX = { left: 520, top: 70, cell: 70 };

/** An SVG picture: the loss of each epoch on the left, the confusion matrix of the test rows on the right. */
export function drawReport({ losses, predictions, classes }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 310" width="760" height="310" font-family="sans-serif" font-size="12" fill="#333">`,
    `<rect width="760" height="310" fill="#fff"/>`,
    ...drawCurve(losses),
    ...drawMatrix(predictions, classes),
    "</svg>",
    "",
  ].join("\n");
}

function drawCurve(losses) {
  const { left, top, width, height } = CURVE;
  const highest = Math.max(...losses);
  const x = (epoch) => left + (width * epoch) / Math.max(losses.length - 1, 1);
  const y = (loss) => top + height * (1 - loss / highest);
  const points = losses.map((loss, epoch) => `${x(epoch).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => highest * part);
  return [
    text(left + width / 2, 22, "training loss", "middle"),
    ...ticks.flatMap((loss) => [
      `<line x1="${left}" x2="${left + width}" y1="${y(loss)}" y2="${y(loss)}" stroke="#ddd"/>`,
      text(left - 8, y(loss) + 4, loss.toFixed(2), "end"),
    ]),
    `<polyline points="${points}" fill="none" stroke="#06c" stroke-width="2"/>`,
    text(left, top + height + 18, "1", "middle"),
    text(left + width, top + height + 18, String(losses.length), "middle"),
    text(left + width / 2, top + height + 34, "epoch", "middle"),
  ];
}

function drawMatrix(predictions, classes) {
  const { left, top, cell } = MATRIX;
  const count = (species, predicted) => predictions.filter((row) => row.species === species && row.predicted === predicted).length;
  const most = Math.max(...classes.map((name) => count(name, name)), 1);
  return [
    text(left + (cell * classes.length) / 2, 22, "test rows: species (down), predicted (across)", "middle"),
    ...classes.map((name, column) => text(left + cell * (column + 0.5), top - 8, name, "middle")),
    ...classes.flatMap((species, row) => [
      text(left - 8, top + cell * (row + 0.5) + 4, species, "end"),
      ...classes.flatMap((predicted, column) => {
        const n = count(species, predicted);
        const colour = species === predicted ? "0,120,60" : "200,30,30";
        return [
          `<rect x="${left + cell * column}" y="${top + cell * row}" width="${cell - 2}" height="${cell - 2}" fill="rgba(${colour},${(0.05 + (0.6 * n) / most).toFixed(2)})"/>`,
          text(left + cell * (column + 0.5), top + cell * (row + 0.5) + 4, String(n), "middle"),
        ];
      }),
    ]),
  ];
}

function text(x, y, words, anchor) {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
}
