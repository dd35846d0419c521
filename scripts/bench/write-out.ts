import { rmSync } from "node:fs";
import { join } from "node:path";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Subject } from "./subject.ts";

const SIZE = 2 * 2 ** 30;

export const writeOut: Subject = {
  name: "get-large",
  what: "coffer get -o of 2 GiB, hashed on the way",
  reference: "cp",
  goal: { times: 1.2 },
  rounds: 5,
  growth: { sizes: [50, 500, 5000], unit: "MiB" },
  async prepare({ directory, coffer }, mebibytes) {
    const size = mebibytes === undefined ? SIZE : mebibytes * 2 ** 20;
    const [input] = (await writeRandomFiles(join(directory, "input"), 1, size)) as [string];
    const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
    const log = Bun.spawn([coffer, "log", input, "--name", "large", "--quiet"], {
      stdio: ["ignore", "ignore", "inherit"],
      cwd: directory,
      env,
    });
    if ((await log.exited) !== 0) throw new Error("coffer log failed");
    const [ours, theirs] = [join(directory, "ours"), join(directory, "theirs")];
    const remove = (path: string) => async () => {
      rmSync(path, { force: true });
      await settle(directory);
    };
    return {
      coffer: { command: [coffer, "get", "large", "-o", ours], cwd: directory, env, after: remove(ours) },
      reference: { command: ["cp", input, theirs], cwd: directory, after: remove(theirs) },
    };
  },
};
