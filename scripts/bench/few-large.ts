import { renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { beside } from "./beside.ts";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Contest, Subject } from "./subject.ts";

const FILES = 4;
const SIZE = 512 << 20;
/** Ten times four times 512 MiB would be 20 GiB, and as much again in the store. */
const GROWTH = { sizes: [50, 500, 5000], unit: "MiB in 4 files" } as const;

export const moveLarge: Subject = {
  name: "large-scratch",
  what: "4 × 512 MiB under scratch, moved in",
  reference: "reading and hashing them on one core",
  goal: { times: 1.15 },
  rounds: 5,
  durable: true,
  growth: GROWTH,
  async prepare({ directory, coffer, compile }, mebibytes) {
    const { input, files, root, aroundRounds } = layout(directory, mebibytes);
    const addon = createRequire(import.meta.url).resolve(
      `@napi-rs/blake-hash-${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`,
    );
    return {
      ...aroundRounds,
      reference: { command: [await compile("hash"), addon, ...files] },
      coffer: {
        command: [coffer, "run", "--policy", "scratch", "--quiet", "--", "sh", "-c", `mv "$0"/* "$COFFER_WORKSPACE"`, input],
        cwd: directory,
        env: { HOME: directory, COFFER_ROOT: root },
      },
    };
  },
};

export const copyLarge: Subject = {
  name: "large-copy",
  what: "4 × 512 MiB copied in",
  reference: "cp and sync -f",
  goal: { times: 1.05 },
  rounds: 5,
  durable: true,
  growth: GROWTH,
  async prepare(place, mebibytes) {
    const { directory, coffer } = place;
    const { input, files, root, aroundRounds } = layout(directory, mebibytes);
    const copy = join(directory, "copy");
    const remove = (path: string) => async () => {
      rmSync(path, { recursive: true, force: true });
      await settle(directory);
    };
    return {
      ...aroundRounds,
      reference: { command: ["sh", "-c", `cp -r "$0" "$1" && sync -f "$1"`, input, copy], cwd: directory, after: remove(copy) },
      coffer: {
        command: [coffer, "log", "--quiet", ...files],
        cwd: directory,
        env: { HOME: directory, COFFER_ROOT: root },
        after: remove(root),
      },
      // some take in nothing but what lies in their own folder
      peers: await beside(place, ["restic", "borg", "dvc", "wandb", "oxen"], {
        before: (home) => renameSync(input, join(home, "input")),
        after: (home) => renameSync(join(home, "input"), input),
      }),
    };
  },
};

/** Both contestants of a round get the same fresh bytes: one only reads them, and the store is a new one each time. */
function layout(
  directory: string,
  mebibytes?: number,
): {
  input: string;
  files: string[];
  root: string;
  aroundRounds: Pick<Contest, "beforeRound" | "afterRound">;
} {
  const input = join(directory, "input");
  const root = join(directory, "root");
  const size = mebibytes === undefined ? SIZE : (mebibytes * 2 ** 20) / FILES;
  return {
    input,
    root,
    files: Array.from({ length: FILES }, (_, nth) => join(input, `${String(nth).padStart(5, "0")}.bin`)),
    aroundRounds: {
      beforeRound: async () => void (await writeRandomFiles(input, FILES, size)),
      async afterRound() {
        for (const path of [input, root]) rmSync(path, { recursive: true, force: true });
        await settle(directory);
      },
    },
  };
}
