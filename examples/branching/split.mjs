// Step 0, outside of any branch: all branches are measured by the same penguins.
import { describe, stepId, write } from "../learning/outputs.mjs";
import { split } from "../learning/split.mjs";
import { loadPenguins } from "../train/penguins.mjs";

const parts = split(loadPenguins().length, { training: 0.7, test: 0.3 }, 3);
write("split.json", parts);
describe([{ artifact_id: stepId(0), path: "split.json", artifact_type: "splitter", class_name: parts.class }]);
