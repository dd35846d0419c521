// node scale.mjs StandardScaler|MinMaxScaler: step 1 of a branch.
import { load } from "../learning/load.mjs";
import { describe, stepId, write } from "../learning/outputs.mjs";
import { fitMinMaxScaler, fitStandardScaler } from "../learning/scaler.mjs";
import { rowsOf } from "../learning/split.mjs";
import { loadPenguins } from "../train/penguins.mjs";

const fit = { StandardScaler: fitStandardScaler, MinMaxScaler: fitMinMaxScaler }[process.argv[2]];
const [parts] = load("--step", "0", "--type", "splitter");
const scaler = fit(rowsOf(loadPenguins(), parts.training));
write("scaler.json", scaler);
describe([{ artifact_id: stepId(1), path: "scaler.json", artifact_type: "transformer", class_name: scaler.class }]);
