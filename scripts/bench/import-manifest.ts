import { rmSync } from "node:fs";
import { join } from "node:path";
import { prepareBy } from "./prepare-by.ts";
import { settle } from "./random-files.ts";
import type { Subject } from "./subject.ts";

export const importManifest: Subject = {
  name: "import",
  what: "coffer manifest import of 10,000 records, whose bytes stay where they are",
  reference: "the smallest compiled Bun program",
  goal: { most: 2000 },
  memory: 200e6,
  rounds: 5,
  durable: true,
  async prepare({ directory, coffer, compile }) {
    const workspace = join(directory, "workspace");
    await prepareBy("fill-workspace.ts", workspace);
    await settle(directory);
    const root = join(directory, "root");
    return {
      coffer: {
        command: [coffer, "manifest", "import", workspace],
        cwd: directory,
        env: { HOME: directory, COFFER_ROOT: root },
        async after() {
          rmSync(root, { recursive: true, force: true });
          await settle(directory);
        },
      },
      reference: { command: [await compile("smallest")] },
    };
  },
};
