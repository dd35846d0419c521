import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { prepareBy } from "./prepare-by.ts";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Subject } from "./subject.ts";

const DEAD = 100_000;
const LIVING = 60_000;
const SIZE = 4 << 10;

/** The dead have no rows any more when the clock starts: that is a sweep's work, and another row. */
export const repackStore: Subject = {
  name: "repack",
  what: `coffer gc --apply of a store with ${DEAD.toLocaleString("en")} dead small blobs beside ${LIVING.toLocaleString("en")} that live, 4 KiB each: their packs written anew`,
  reference: "a file of what lives copied and flushed",
  goal: { times: 1.2 },
  memory: 120e6,
  rounds: 5,
  durable: true,
  async prepare({ directory, coffer }) {
    const [living] = (await writeRandomFiles(join(directory, "living"), 1, LIVING * SIZE)) as [string];
    const kept = await prepareBy("dead-blobs.ts", coffer, join(directory, "kept"), String(DEAD), String(LIVING), String(SIZE));
    const [root, copy] = [join(directory, "root"), join(directory, "copy")];
    const fresh = async (): Promise<void> => {
      rmSync(root, { recursive: true, force: true });
      rmSync(copy, { force: true });
      cpSync(kept, root, { recursive: true, preserveTimestamps: true });
      await settle(directory);
    };
    return {
      coffer: {
        command: [coffer, "gc", "--apply", "--grace", "0"],
        cwd: directory,
        env: { HOME: directory, COFFER_ROOT: root },
        before: fresh,
      },
      reference: { command: ["dd", `if=${living}`, `of=${copy}`, "bs=1M", "conv=fsync", "status=none"], before: fresh },
    };
  },
};
