import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { installEnvironment } from "../parts/virtual-environment.ts";
import { beginBy, untilOnDisk, versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

const env = (home: string): Record<string, string> => ({ HOME: home, DVC_NO_ANALYTICS: "1", DVC_SITE_CACHE_DIR: join(home, "site") });

/** Takes in a folder. */
export async function dvcAdd(say: (words: string) => void): Promise<Peer> {
  const { dvc, version, settings } = await install(say);
  return {
    title: `DVC ${version}, dvc add`,
    command: untilOnDisk([...dvc, "add", "--quiet", "input"]),
    env,
    begin: beginBy(env, [...dvc, "init", "--quiet", "--no-scm"], settings),
  };
}

/** Writes out what was taken in. */
export async function dvcCheckout(say: (words: string) => void): Promise<Peer> {
  const { dvc, version } = await install(say);
  return { ...(await dvcAdd(say)), title: `DVC ${version}, dvc checkout`, command: [...dvc, "checkout", "--quiet"] };
}

/** Runs `true` as a stage of a pipeline, which is never up to date. */
export async function dvcRepro(say: (words: string) => void): Promise<Peer> {
  return await stage(say, "dvc repro", ["repro", "--quiet"]);
}

/** The same as an experiment. */
export async function dvcExperiment(say: (words: string) => void): Promise<Peer> {
  return await stage(say, "dvc exp run", ["exp", "run", "--quiet"]);
}

async function stage(say: (words: string) => void, name: string, words: readonly string[]): Promise<Peer> {
  const { dvc, version, settings } = await install(say);
  const git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"];
  return {
    title: `DVC ${version}, ${name}`,
    command: [...dvc, ...words],
    env,
    async begin(home) {
      writeFileSync(join(home, "dvc.yaml"), 'stages: {bare: {cmd: "true", always_changed: true}}\n');
      await beginBy(
        env,
        [...git, "init", "--quiet"],
        [...dvc, "init", "--quiet"],
        settings,
        [...dvc, "repro", "--quiet"],
        [...git, "add", "dvc.yaml", "dvc.lock", ".dvc"],
        [...git, "commit", "--quiet", "--message", "a stage"],
      )(home);
    },
  };
}

async function install(say: (words: string) => void): Promise<{ dvc: readonly string[]; version: string; settings: readonly string[] }> {
  const dvc = [await installEnvironment("dvc", join(import.meta.dir, "dvc.txt"), say), "-m", "dvc"];
  // a look for a newer version would be a process of its own beside the timed one
  return { dvc, version: await versionOf([...dvc, "--version"]), settings: [...dvc, "config", "--quiet", "core.check_update", "false"] };
}
