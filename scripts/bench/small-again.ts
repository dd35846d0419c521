import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runToEnd } from "../parts/run-to-end.ts";
import { besideAgain } from "./beside.ts";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Subject } from "./subject.ts";

const FILES = 20_000;
const SIZE = 10 << 10;

/** A folder that is in the store already, logged again. */
export const smallAgain: readonly Subject[] = [
  again("small-again", "nothing changed", 250),
  again("small-one-changed", "one of them changed", 300, (first) => writeFileSync(first, randomBytes(SIZE))),
];

function again(name: string, how: string, most: number, change?: (first: string) => void): Subject {
  return {
    name,
    what: `${FILES.toLocaleString("en")} × 10 KiB logged again, ${how}`,
    reference: "as many stat calls and a merge",
    goal: { most },
    rounds: 10,
    durable: true,
    growth: { sizes: [FILES / 10, FILES, FILES * 10], unit: "files" },
    async prepare(place, files = FILES) {
      const { directory, coffer } = place;
      const input = join(directory, "input");
      const paths = await writeRandomFiles(input, files, SIZE);
      const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
      const command = [coffer, "log", input, "--quiet"];
      const compare = [await place.compile("compare"), input, join(directory, "notes")];
      for (const words of [command, compare])
        await runToEnd(words, `${words.join(" ")} failed`, directory, { PATH: process.env["PATH"] ?? "", ...env });
      const changeIn = async (folder: string): Promise<void> => {
        change?.(join(folder, (paths[0] as string).slice(input.length)));
        await settle(directory);
      };
      return {
        coffer: { command, cwd: directory, env, before: () => changeIn(input) },
        reference: { command: compare, cwd: directory },
        peers: await besideAgain(
          place,
          ["restic", "borg", "dvc"],
          // the round for warming up takes them in
          async (home) => void (await writeRandomFiles(join(home, "input"), files, SIZE)),
          (home) => changeIn(join(home, "input")),
        ),
      };
    },
  };
}
