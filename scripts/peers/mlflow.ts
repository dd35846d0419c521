import { dirname, join } from "node:path";
import { installMlflow } from "../mlflow/environment.ts";
import { beginBy, versionOf } from "./peer.ts";
import type { Peer } from "./peer.ts";

/** Says its version. */
export async function mlflow(say: (words: string) => void): Promise<Peer> {
  const command = [join(dirname(await installMlflow(say)), "mlflow"), "--version"];
  const env = (home: string): Record<string, string> => ({ HOME: home, MLFLOW_DISABLE_TELEMETRY: "true" });
  return { title: `mlflow ${await versionOf(command)}`, command, env, begin: beginBy(env) };
}
