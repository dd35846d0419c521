import { join } from "node:path";
import { installEnvironment } from "../parts/virtual-environment.ts";
import { beginBy, untilOnDisk, versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

export async function wandb(say: (words: string) => void): Promise<Peer> {
  const python = await installEnvironment("wandb", join(import.meta.dir, "wandb.txt"), say);
  const env = (home: string): Record<string, string> => ({
    HOME: home,
    WANDB_MODE: "offline",
    WANDB_SILENT: "true",
    WANDB_ERROR_REPORTING: "false",
    WANDB_DIR: home,
    WANDB_CACHE_DIR: join(home, "cache"),
    WANDB_DATA_DIR: join(home, "data"),
    WANDB_CONFIG_DIR: join(home, "config"),
  });
  return {
    title: `W&B ${await versionOf([python, "-m", "wandb", "--version"])}, offline`,
    command: untilOnDisk([python, join(import.meta.dir, "wandb-log.py"), "input"]),
    env,
    begin: beginBy(env),
  };
}
