// node predict.mjs SPLIT SCALER MODEL: what the model says of the penguins that it has not seen.
import { chancesOf, mostLikely } from "../learning/logistic-regression.mjs";
import { readJson } from "../learning/load.mjs";
import { write, writeTable } from "../learning/outputs.mjs";
import { scale } from "../learning/scaler.mjs";
import { rowsOf } from "../learning/split.mjs";
import { loadPenguins } from "../train/penguins.mjs";

const [parts, scaler, model] = process.argv.slice(2).map(readJson);
const predictions = rowsOf(loadPenguins(), parts.unseen).map((row, index) => {
  const chances = chancesOf(model, scale(scaler, row.features));
  return {
    penguin: parts.unseen[index],
    species: row.species,
    predicted: mostLikely(model.classes, chances),
    chance: Math.max(...chances),
  };
});
const right = predictions.filter(({ species, predicted }) => species === predicted).length;

writeTable(
  "predictions.csv",
  ["penguin", "species", "predicted", "chance"],
  predictions.map(({ penguin, species, predicted, chance }) => [penguin, species, predicted, chance.toFixed(4)]),
);
write("metrics.json", { unseen: { accuracy: right / predictions.length } });
console.log(`${right} of ${predictions.length} unseen penguins are told right`);
