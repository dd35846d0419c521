import { join } from "node:path";
import { debianPackages } from "./debian-packages.ts";
import { beginBy, versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

export async function borg(): Promise<Peer> {
  const { folder } = await debianPackages("borg", ["borgbackup"]);
  // a program of Debian's own Python, with packages that lie elsewhere
  const program = ["/usr/bin/python3", join(folder, "bin/borg")];
  const packages = { PYTHONPATH: join(folder, "lib/python3/dist-packages") };
  const env = (home: string): Record<string, string> => ({
    ...packages,
    HOME: home,
    BORG_REPO: join(home, "store"),
    BORG_BASE_DIR: home,
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
  });
  return {
    title: `borg ${await versionOf([...program, "--version"], packages)}`,
    command: [...program, "create", "::{now}-{pid}", "input"],
    env,
    begin: beginBy(env, [...program, "init", "--encryption=none"]),
  };
}
