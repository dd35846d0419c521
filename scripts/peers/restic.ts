import { join } from "node:path";
import { debianPackages } from "./debian-packages.ts";
import { beginBy, versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

export async function restic(): Promise<Peer> {
  const { folder } = await debianPackages("restic", ["restic"]);
  const program = join(folder, "bin/restic");
  const env = (home: string): Record<string, string> => ({
    HOME: home,
    RESTIC_REPOSITORY: join(home, "store"),
    RESTIC_CACHE_DIR: join(home, "cache"),
    RESTIC_PASSWORD: "bench",
  });
  return {
    title: `restic ${await versionOf([program, "version"])}`,
    command: [program, "backup", "--quiet", "input"],
    env,
    begin: beginBy(env, [program, "init", "--quiet"]),
  };
}
