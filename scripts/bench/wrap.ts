import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beside } from "./beside.ts";
import { writeRandomFiles } from "./random-files.ts";
import type { Subject } from "./subject.ts";

export const wrap: Subject = {
  name: "run",
  what: "coffer run -- true",
  reference: "true",
  goal: { more: 12 },
  rounds: 40,
  durable: true,
  async prepare(place) {
    const { directory, coffer } = place;
    const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
    return {
      coffer: { command: [coffer, "run", "--", "true"], cwd: directory, env },
      reference: { command: ["true"] },
      peers: await beside(place, ["guild", "dvc-repro", "dvc-experiment"]),
    };
  },
};

const FILES = 10_000;

export const wrapInGit: Subject = {
  name: "run-git",
  what: `coffer run -- true in a git repository of ${FILES.toLocaleString("en")} files`,
  reference: "coffer run -- true outside of it",
  goal: { more: 40 },
  rounds: 20,
  growth: { sizes: [FILES / 10, FILES, FILES * 10], unit: "files" },
  async prepare({ directory, coffer }, files = FILES) {
    const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
    const repository = join(directory, "repository");
    const outside = join(directory, "outside");
    mkdirSync(outside);
    await writeRandomFiles(repository, files, 1024);
    const git = ["git", "-C", repository, "-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    for (const words of [
      ["init", "-q"],
      ["add", "."],
      ["commit", "-q", "-m", "files"],
    ]) {
      if ((await Bun.spawn([...git, ...words], { env: { PATH: process.env["PATH"] ?? "", HOME: directory } }).exited) !== 0)
        throw new Error(`git ${words.join(" ")} failed`);
    }
    const command = [coffer, "run", "--", "true"];
    return {
      coffer: { command, cwd: repository, env },
      reference: { command, cwd: outside, env },
    };
  },
};
