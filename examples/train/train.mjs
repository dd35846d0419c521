import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SPECIES, FEATURES, loadPenguins } from "./penguins.mjs";
import { drawReport } from "./report.mjs";
import { makeNetwork, predict, trainEpoch, lossOf } from "./network.mjs";
import { makeRandom, shuffle } from "./random.mjs";

const { values } = parseArgs({
  options: {
    epochs: { type: "string", default: "120" },
    "learning-rate": { type: "string", default: "0.02" },
    hidden: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    "fail-at": { type: "string" },
  },
});
const params = {
  epochs: Number(values.epochs),
  learning_rate: Number(values["learning-rate"]),
  hidden: Number(values.hidden),
  seed: Number(values.seed),
};
const failAt = values["fail-at"] === undefined ? Infinity : Number(values["fail-at"]);

const out = process.env.COFFER_WORKSPACE ?? "out";
mkdirSync(join(out, "checkpoints"), { recursive: true });
write("params.json", params);

const random = makeRandom(params.seed);
const rows = shuffle(loadPenguins(), random);
const cut = Math.floor(rows.length * 0.8);
const [training, testing] = [rows.slice(0, cut), rows.slice(cut)];
const network = makeNetwork({ inputs: FEATURES, hidden: params.hidden, classes: SPECIES, training, random });

console.log(`${training.length} penguins to learn from, ${testing.length} to be asked about`);
const losses = [];
for (let epoch = 1; epoch <= params.epochs; epoch++) {
  if (epoch === failAt) {
    console.error(`epoch ${epoch}: stopped, as --fail-at asked`);
    writeMetrics();
    process.exit(3);
  }
  losses.push(trainEpoch(network, shuffle(training, random), params.learning_rate));
  if (epoch % 20 === 0 || epoch === params.epochs) {
    console.log(`epoch ${String(epoch).padStart(4)}  loss ${losses.at(-1).toFixed(4)}  accuracy ${accuracy(testing).toFixed(3)}`);
    write(`checkpoints/epoch-${String(epoch).padStart(4, "0")}.json`, network);
  }
}

write("model.json", network);
writeMetrics();
const predictions = testing.map((row) => ({ ...row, predicted: predict(network, row.features) }));
writeFileSync(
  join(out, "predictions.csv"),
  [
    [...FEATURES, "species", "predicted"].join(","),
    ...predictions.map((row) => [...row.features, row.species, row.predicted].join(",")),
    "",
  ].join("\n"),
);
writeFileSync(join(out, "report.svg"), drawReport({ losses, predictions, classes: SPECIES }));
console.log(`accuracy ${accuracy(testing).toFixed(3)}, written to ${out}`);

function writeMetrics() {
  write("metrics.json", {
    loss: losses,
    test: { accuracy: accuracy(testing), loss: lossOf(network, testing) },
    train: { accuracy: accuracy(training) },
  });
}

function accuracy(some) {
  return some.filter((row) => predict(network, row.features) === row.species).length / some.length;
}

function write(name, value) {
  writeFileSync(join(out, name), `${JSON.stringify(value, undefined, 2)}\n`);
}
