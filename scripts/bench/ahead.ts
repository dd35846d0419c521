import { rmSync } from "node:fs";
import { join } from "node:path";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Contestant, Subject } from "./subject.ts";

const FILES = 5;
const MEBIBYTES = 10 << 10;

/** A run whose large outputs were finished some time before its end. What is timed is its end alone. */
export const endOfRun: readonly Subject[] = ["scratch", "separated"].map((policy) => ({
  name: `ahead-${policy}`,
  what: `end of a run under ${policy} whose outputs, ${FILES} × 2 GiB, were finished while it went on`,
  reference: "the same with --no-hash-ahead",
  goal: { most: 300 },
  rounds: 3,
  durable: true,
  growth: { sizes: [100, 1000, 10_000], unit: `MiB in ${FILES} files` },
  async prepare({ directory, coffer }, mebibytes = MEBIBYTES) {
    const input = join(directory, "input");
    const root = join(directory, "root");
    const contestant = (...flags: string[]): Contestant => ({
      command: [process.execPath, join(import.meta.dir, "end-of-run.ts"), input, coffer, "run", "--quiet", "--policy", policy, ...flags],
      cwd: directory,
      env: { HOME: directory, COFFER_ROOT: root },
      saysItsTime: true,
      before: async () => void (await writeRandomFiles(input, FILES, (mebibytes * 2 ** 20) / FILES)),
      async after() {
        for (const path of [input, root]) rmSync(path, { recursive: true, force: true });
        await settle(directory);
      },
    });
    return { coffer: contestant(), reference: contestant("--no-hash-ahead") };
  },
}));
