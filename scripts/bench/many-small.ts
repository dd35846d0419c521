import { join } from "node:path";
import { beside } from "./beside.ts";
import { freshRounds } from "./fresh-directory.ts";
import { writeRandomFiles } from "./random-files.ts";
import type { Subject } from "./subject.ts";

const FILES = 20_000;
const SIZE = 10 << 10;

export const manySmall: Subject = {
  name: "small",
  what: `${FILES.toLocaleString("en")} × 10 KiB logged, durable`,
  reference: "cp -r and sync -f",
  goal: { times: 0.5 },
  rounds: 7,
  durable: true,
  growth: { sizes: [FILES / 10, FILES, FILES * 10], unit: "files" },
  async prepare(place, files = FILES) {
    const { directory, coffer } = place;
    const round = join(directory, "round");
    const [input, root, copy] = [join(round, "input"), join(round, "root"), join(round, "copy")];
    const fresh = freshRounds(round, () => writeRandomFiles(input, files, SIZE));
    return {
      coffer: { command: [coffer, "log", input, "--quiet"], cwd: directory, env: { HOME: directory, COFFER_ROOT: root }, ...fresh },
      reference: { command: ["sh", "-c", `cp -r "$0" "$1" && sync -f "$1"`, input, copy], cwd: directory, ...fresh },
      peers: await beside(place, ["restic", "borg", "dvc", "wandb", "oxen"], {
        before: async (home) => void (await writeRandomFiles(join(home, "input"), files, SIZE)),
      }),
    };
  },
};
