import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { prepareBy } from "./prepare-by.ts";
import type { Subject } from "./subject.ts";

/** Rows and plan alone: the files of the store's million artifacts are not there to be walked over. */
export const planGc: readonly Subject[] = [
  plan("versions", ["--max-versions", "10"]),
  plan("age", ["--max-age", "200"]),
  plan("size", ["--max-size", "300GB"]),
];

function plan(name: string, rule: readonly string[]): Subject {
  return {
    name: `gc-${name}`,
    what: `coffer gc ${rule.join(" ")}: the plan over 1,000,000 artifacts and as many edges, without the walk over the files`,
    reference: "the smallest compiled Bun program",
    goal: { most: 2000 },
    memory: 300e6,
    rounds: 3,
    async prepare({ directory, coffer, compile }) {
      const config = join(directory, "coffer.yaml");
      writeFileSync(config, "artifact_store: {cleanup_policy: {orphans: false}}\n");
      const env = { HOME: directory, COFFER_ROOT: prepareBy("million-artifacts.ts") };
      const command = [coffer, "gc", ...rule, "--config", config];
      return { coffer: { command, cwd: directory, env }, reference: { command: [await compile("smallest")] } };
    },
  };
}
