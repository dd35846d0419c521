import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Contest, Subject } from "./subject.ts";

const FILES = 4;
const SIZE = 512 << 20;

export const moveLarge: Subject = {
  name: "large-scratch",
  what: "4 × 512 MiB under scratch, moved in",
  reference: "reading and hashing them on one core",
  goal: { times: 1.5 },
  rounds: 5,
  async prepare({ directory, coffer, compile }) {
    const { input, files, root, aroundRounds } = layout(directory);
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
  goal: { times: 1.2 },
  rounds: 5,
  async prepare({ directory, coffer }) {
    const { input, files, root, aroundRounds } = layout(directory);
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
    };
  },
};

/** Both contestants of a round get the same fresh bytes: one only reads them, and the store is a new one each time. */
function layout(directory: string): {
  input: string;
  files: string[];
  root: string;
  aroundRounds: Pick<Contest, "beforeRound" | "afterRound">;
} {
  const input = join(directory, "input");
  const root = join(directory, "root");
  return {
    input,
    root,
    files: Array.from({ length: FILES }, (_, nth) => join(input, `${String(nth).padStart(5, "0")}.bin`)),
    aroundRounds: {
      beforeRound: async () => void (await writeRandomFiles(input, FILES, SIZE)),
      async afterRound() {
        for (const path of [input, root]) rmSync(path, { recursive: true, force: true });
        await settle(directory);
      },
    },
  };
}
