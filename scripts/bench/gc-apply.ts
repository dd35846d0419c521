import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshRounds } from "./fresh-directory.ts";
import { prepareBy } from "./prepare-by.ts";
import type { Subject } from "./subject.ts";

/** Of a thousand thousand artifacts about a ninth goes, each with bytes in a file of its own, which is there. */
export const applyGc: Subject = {
  name: "gc-apply",
  what: "coffer gc --max-versions 18 --apply: 111,000 of 1,000,000 artifacts and their files deleted, without the walk over the others' files",
  reference: "the smallest compiled Bun program",
  goal: { most: 10_000 },
  memory: 120e6,
  rounds: 3,
  durable: true,
  async prepare({ directory, coffer, compile }) {
    const config = join(directory, "coffer.yaml");
    writeFileSync(config, "artifact_store: {cleanup_policy: {orphans: false}}\n");
    const round = join(directory, "round");
    const root = join(round, "root");
    return {
      coffer: {
        command: [coffer, "gc", "--max-versions", "18", "--apply", "--config", config],
        cwd: directory,
        env: { HOME: directory, COFFER_ROOT: root },
        ...freshRounds(round, () => prepareBy("dying-files.ts", root)),
      },
      reference: { command: [await compile("smallest")] },
    };
  },
};
