import { prepareBy } from "./prepare-by.ts";
import type { Subject } from "./subject.ts";

const STEP = ["load", "--pipeline", "bench", "--step", "3", "--branch", "0", "--folds"];

/** What is asked of a registry all day, of one of 1,000,000 artifacts. */
export const askMillion: readonly Subject[] = [
  ask("get", ["get", "bench-model"]),
  ask("load", STEP),
  ask("show", ["show", "model-42"]),
  ask("ls-name", ["ls", "--name", "model-42"]),
  ask("ls-where", ["ls", "--where", "metrics.rmse < 0.2", "--limit", "20"]),
  { ...ask("ls-sort", ["ls", "--sort", "metrics.rmse", "--limit", "20"]), goal: { most: 2000 }, rounds: 5 },
];

function ask(name: string, words: readonly string[]): Subject {
  return {
    name: `million-${name}`,
    what: `coffer ${words.map((word) => (word.includes(" ") ? `'${word}'` : word)).join(" ")}, of 1,000,000 artifacts`,
    reference: "the smallest compiled Bun program",
    goal: { most: 25 },
    rounds: 20,
    growth: { sizes: [10_000, 100_000, 1_000_000], unit: "artifacts" },
    async prepare({ directory, coffer, compile }, artifacts = 1_000_000) {
      const env = { HOME: directory, COFFER_ROOT: await prepareBy("million-artifacts.ts", "--artifacts", String(artifacts)) };
      return { coffer: { command: [coffer, ...words], cwd: directory, env }, reference: { command: [await compile("smallest")] } };
    },
  };
}
