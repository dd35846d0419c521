import { prepareBy } from "./prepare-by.ts";
import type { Subject } from "./subject.ts";

export const planGc: Subject = {
  name: "gc",
  what: "coffer gc --max-versions 5 --max-age 200 --json: the plan over 1,000,000 artifacts and as many edges",
  reference: "the smallest compiled Bun program",
  goal: { most: 2000 },
  memory: 300e6,
  rounds: 3,
  async prepare({ directory, coffer, compile }) {
    const env = { HOME: directory, COFFER_ROOT: prepareBy("million-artifacts.ts") };
    const command = [coffer, "gc", "--max-versions", "5", "--max-age", "200", "--json"];
    return { coffer: { command, cwd: directory, env }, reference: { command: [await compile("smallest")] } };
  },
};
