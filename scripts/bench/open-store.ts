import { join } from "node:path";
import type { Subject } from "./subject.ts";

const RUNS = 1000;

export const openStore: Subject = {
  name: "open",
  what: `coffer runs, ${RUNS} runs in the store`,
  reference: "the smallest compiled Bun program",
  goal: { times: 4 },
  rounds: 40,
  async prepare({ directory, coffer, compile }) {
    const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
    for (let nth = 0; nth < RUNS; nth++) {
      const child = Bun.spawn([coffer, "log", "--metric", `loss=${nth}`, "--quiet"], {
        stdio: ["ignore", "ignore", "inherit"],
        cwd: directory,
        env,
      });
      if ((await child.exited) !== 0) throw new Error("coffer log failed");
    }
    return { coffer: { command: [coffer, "runs"], cwd: directory, env }, reference: { command: [await compile("smallest")] } };
  },
};
