import { join } from "node:path";
import { installEnvironment } from "../parts/virtual-environment.ts";
import { beginBy, versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

export async function oxen(say: (words: string) => void): Promise<Peer> {
  const python = await installEnvironment("oxen", join(import.meta.dir, "oxen.txt"), say);
  const env = (home: string): Record<string, string> => ({ HOME: home });
  const version = await versionOf([python, "-c", "import oxen; from importlib.metadata import version; print(version('oxenai'))"]);
  return {
    title: `Oxen ${version}`,
    command: [python, join(import.meta.dir, "oxen-commit.py"), "input"],
    env,
    begin: beginBy(env, [python, join(import.meta.dir, "oxen-begin.py")]),
  };
}
