import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { prepareBy } from "./prepare-by.ts";
import type { Subject } from "./subject.ts";

const MILLION = 1_000_000;

/** Rows and plan alone: the files of the store's million artifacts are not there to be walked over. */
export const planGc: readonly Subject[] = [
  plan("versions", () => ["--max-versions", "10"]),
  plan("age", () => ["--max-age", "200"]),
  plan("size", (artifacts) => ["--max-size", `${(300 * artifacts) / MILLION}GB`]),
];

function plan(name: string, rule: (artifacts: number) => readonly string[]): Subject {
  return {
    name: `gc-${name}`,
    what: `coffer gc ${rule(MILLION).join(" ")}: the plan over 1,000,000 artifacts and as many edges, without the walk over the files`,
    reference: "the smallest compiled Bun program",
    goal: { most: 1500 },
    rounds: 3,
    growth: { sizes: [10_000, 100_000, MILLION], unit: "artifacts" },
    async prepare({ directory, coffer, compile }, artifacts = MILLION) {
      const config = join(directory, "coffer.yaml");
      writeFileSync(config, "artifact_store: {cleanup_policy: {orphans: false}}\n");
      const env = { HOME: directory, COFFER_ROOT: await prepareBy("million-artifacts.ts", "--artifacts", String(artifacts)) };
      const command = [coffer, "gc", ...rule(artifacts), "--config", config];
      return { coffer: { command, cwd: directory, env }, reference: { command: [await compile("smallest")] } };
    },
  };
}
