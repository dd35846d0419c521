import { expect, test } from "bun:test";
import { chooseExperiment } from "../../../src/sync/record/choose-experiment.ts";

const cases: [
  what: string,
  name: string,
  id: string | undefined,
  variable: string | undefined,
  choice: ReturnType<typeof chooseExperiment>,
][] = [
  ["nobody said anything: that of the default's name", "Default", undefined, undefined, { by: "name", id: undefined }],
  ["an id alone", "Default", "7", undefined, { by: "id", id: "7" }],
  ["a configured name goes before an id", "churn", "7", undefined, { by: "name", id: undefined }],
  ["a name and an id in the environment have to agree", "churn", "7", "churn", { by: "name", id: "7" }],
  ["the environment's name is no matter where the run has another", "churn", "7", "other", { by: "name", id: undefined }],
];
for (const [what, name, experimentId, experimentName, choice] of cases)
  test(`where a run goes: ${what}`, () => expect(chooseExperiment(name, { experimentId, experimentName })).toEqual(choice));
