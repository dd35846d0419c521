import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subject } from "./subject.ts";

const CALLS = 1000;

export const logLines: Subject = {
  name: "stdin",
  what: `${CALLS.toLocaleString("en")} metrics by coffer log --stdin, durable`,
  reference: "the smallest compiled Bun program",
  goal: { most: 100 },
  memory: 120e6,
  rounds: 9,
  durable: true,
  growth: { sizes: [CALLS / 10, CALLS, CALLS * 10], unit: "metrics" },
  async prepare({ directory, coffer, compile }, calls = CALLS) {
    const lines = join(directory, "lines");
    const text = Array.from({ length: calls }, (_, step) => JSON.stringify({ metric: "loss", value: 1 / (step + 1), step }));
    writeFileSync(lines, `${text.join("\n")}\n`);
    const root = join(directory, "root");
    const env = { HOME: directory, COFFER_ROOT: root };
    return {
      coffer: {
        command: ["sh", "-c", '"$0" log --stdin --quiet < "$1"', coffer, lines],
        cwd: directory,
        env,
        before() {
          rmSync(root, { recursive: true, force: true });
          mkdirSync(root);
          const made = Bun.spawnSync([coffer, "log", "--metric", "loss=1", "--quiet"], { cwd: directory, env });
          if (made.exitCode !== 0) throw new Error("coffer log failed");
        },
      },
      reference: { command: [await compile("smallest")] },
    };
  },
};
