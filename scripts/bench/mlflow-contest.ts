import { rmSync } from "node:fs";
import { join } from "node:path";
import { installMlflow } from "../mlflow/environment.ts";
import { benchServer, makeRoomOn } from "./mlflow-servers.ts";
import type { ServerName } from "./mlflow-servers.ts";
import { settle } from "./random-files.ts";
import type { Contest, Contestant, Place } from "./subject.ts";

export interface Race {
  server: ServerName;
  /** What the official client is called with (mlflow-client.py), and what `coffer log` is. */
  call: readonly [what: "artifacts" | "points", given: string];
  log: readonly string[];
  /** JSON lines for `coffer log --stdin`. */
  lines?: string;
  /** Whether coffer sees the server's disk. */
  sharesDisk?: boolean;
  /** In front of the server. */
  uri?: string;
  env?: Readonly<Record<string, string>>;
  /** Keeps the store from round to round: its bytes are read and hashed once, in the round for warming up. */
  keepStore?: boolean;
  /** After each `sync-mlflow`. */
  check?: (artifacts: string, root: string) => void;
}

/** One call of the official client, timed inside of it, against the whole of `sync-mlflow`, which finds the run, sends, and reads back. */
export async function raceClient({ directory, coffer }: Place, race: Race): Promise<Contest> {
  const server = await benchServer(race.server, directory);
  const uri = race.uri ?? server.uri;
  const python = await installMlflow(console.error);
  const root = join(directory, "root");
  const env = { HOME: directory, COFFER_ROOT: root, ...race.env };
  const log = (): void => runLog([coffer, "log", "--quiet", ...race.log], directory, env, race.lines);
  const after = async (): Promise<void> => {
    makeRoomOn(server);
    await settle(directory);
  };
  return {
    coffer: {
      command: [coffer, "sync-mlflow", "--quiet"],
      cwd: directory,
      env: { ...env, ...(race.sharesDisk && { MLFLOW_DEFAULT_ARTIFACT_ROOT: server.artifacts }), MLFLOW_TRACKING_URI: uri },
      async before() {
        if (!race.keepStore) rmSync(root, { recursive: true, force: true });
        log();
        await settle(directory);
      },
      async after() {
        race.check?.(server.artifacts, root);
        await after();
      },
    },
    reference: {
      command: [python, join(import.meta.dir, "mlflow-client.py"), uri, ...race.call],
      cwd: directory,
      env: { HOME: directory, ...race.env },
      saysItsTime: true,
      after,
    },
  };
}

function runLog(command: readonly string[], cwd: string, env: Contestant["env"], lines: string | undefined): void {
  const child = Bun.spawnSync([...command], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: [lines === undefined ? "ignore" : Buffer.from(lines), "ignore", "pipe"],
  });
  if (child.exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${child.exitCode}: ${child.stderr.toString().trim()}`);
}
