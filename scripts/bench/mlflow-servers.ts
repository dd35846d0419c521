import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { installMlflow } from "../mlflow/environment.ts";
import { installLayer } from "../mlflow/layered-environment.ts";
import { OLDER } from "../mlflow/layers.ts";
import { startMlflow } from "../mlflow/server.ts";
import type { MlflowServer } from "../mlflow/server.ts";

export type ServerName = "default" | "older";

const running = new Map<ServerName, Promise<MlflowServer>>();
const beside: AsyncDisposable[] = [];

/** A real server as it starts by default, the same one for all subjects; `near`: its data lie beside this directory. */
export function benchServer(name: ServerName, near: string): Promise<MlflowServer> {
  const server = running.get(name) ?? start(name, near);
  running.set(name, server);
  return server;
}

/** What stands before a server ends with it. */
export function endWithServers(one: AsyncDisposable): void {
  beside.push(one);
}

/** Ends those that were started, and removes what they kept. */
export async function stopServers(): Promise<void> {
  for (const one of beside.splice(0)) await one[Symbol.asyncDispose]();
  for (const starting of running.values()) {
    const server = await starting.catch(() => undefined);
    await server?.stop();
    if (server) rmSync(server.directory, { recursive: true, force: true });
  }
  running.clear();
}

/** Bytes of a file that goes at once. Small ones are many inodes and no room. */
const LARGE = 1024 * 1024;

/** Removes the large files that the runs so far brought. */
export function makeRoomOn({ artifacts }: MlflowServer): void {
  for (const path of filesBelow(artifacts)) if (statSync(path).size > LARGE) rmSync(path);
}

/** All files of a directory, and of those in it. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function start(name: ServerName, near: string): Promise<MlflowServer> {
  const current = await installMlflow(console.error);
  const python = name === "older" ? await installLayer(OLDER, console.error) : current;
  console.error(`starting MLflow (${name}) …`);
  const directory = mkdtempSync(join(dirname(near), "coffer-bench-mlflow-"));
  try {
    const server = await startMlflow({ kind: "proxied", directory, python, allDefaults: true, patience: 180_000 });
    await untilCalm(server.port);
    return server;
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Behind the first answer the job runner goes on starting for a while, on all cores. */
async function untilCalm(port: number): Promise<void> {
  const deadline = performance.now() + 180_000;
  for (let before = -Infinity, calm = 0; calm < 2 && performance.now() < deadline; await Bun.sleep(4000)) {
    const now = secondsOf(port);
    calm = now - before <= 1 ? calm + 1 : 0;
    before = now;
  }
}

/** Of all processes of the server, on any core. */
function secondsOf(port: number): number {
  const rows = Bun.spawnSync(["ps", "-eo", "pgid=,cputimes=,args="]).stdout.toString().trim().split("\n");
  const processes = rows
    .map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [])
    .map(([, group, seconds, args = ""]) => ({ group, seconds, args }));
  const main = processes.find(({ args }) => args.includes(`mlflow server --port ${port}`) && !args.includes("hold.py"));
  return processes.reduce((sum, { group, seconds }) => sum + (group === main?.group ? Number(seconds) : 0), 0);
}
