import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installEnvironment } from "../parts/virtual-environment.ts";
import { versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

/** Runs `true` as an operation. */
export async function guild(say: (words: string) => void): Promise<Peer> {
  const python = await installEnvironment("guild", join(import.meta.dir, "guild.txt"), say);
  const program = join(dirname(python), "guild");
  return {
    title: `Guild ${await versionOf([program, "--version"])}`,
    command: [program, "run", "--yes", "bare"],
    env: (home) => ({ HOME: home, GUILD_HOME: join(home, "guild") }),
    async begin(home) {
      mkdirSync(join(home, "guild"));
      writeFileSync(join(home, "guild.yml"), "- operations: {bare: {exec: 'true'}}\n");
    },
  };
}
