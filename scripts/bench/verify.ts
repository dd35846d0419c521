import { globSync } from "node:fs";
import { join } from "node:path";
import { writeRandomFiles } from "./random-files.ts";
import type { Contestant, Subject } from "./subject.ts";

const FILES = 4;
const SIZE = 2 ** 30;

/** Four of the ten gibibytes that the goal speaks of: it grows with them. `cold`: from the disk, and not from memory, which has them after the first round. */
export const verifyBytes: readonly Subject[] = [of("warm", "that are in the page cache"), of("cold", "from the disk")];

function of(name: "warm" | "cold", where: string): Subject {
  return {
    name: `verify-${name}`,
    what: `coffer verify of ${FILES} × 1 GiB ${where}`,
    reference: "reading them, 1 MiB at a time",
    goal: { times: 1.1 },
    memory: 120e6,
    rounds: 5,
    growth: { sizes: [50, 500, 5000], unit: `MiB in ${FILES} files` },
    async prepare({ directory, coffer }, mebibytes) {
      const size = mebibytes === undefined ? SIZE : (mebibytes * 2 ** 20) / FILES;
      const inputs = await writeRandomFiles(join(directory, "input"), FILES, size);
      const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
      const make = Bun.spawn([coffer, "log", ...inputs, "--quiet"], { stdio: ["ignore", "ignore", "inherit"], cwd: directory, env });
      if ((await make.exited) !== 0) throw new Error("coffer log failed");
      for (const input of inputs) await Bun.file(input).delete();
      const stored = globSync(join(directory, "root/binaries/*/*.bin"));
      const before: Contestant["before"] = name === "cold" ? () => forget(stored) : () => undefined;
      return {
        coffer: { command: [coffer, "verify"], cwd: directory, env, before },
        reference: { command: ["sh", "-c", 'for file; do dd if="$file" of=/dev/null bs=1M status=none; done', "sh", ...stored], before },
      };
    },
  };
}

/** Takes files out of the page cache, as anybody may with files that are written out. */
async function forget(paths: readonly string[]): Promise<void> {
  for (const path of paths) await Bun.spawn(["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"]).exited;
}
