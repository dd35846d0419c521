import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/**
 * proxied: clients send artifacts to the server, which keeps them under `artifacts`.
 * shared: clients write artifacts to `artifacts` themselves, as on a shared volume.
 */
export type MlflowKind = "proxied" | "shared";

export interface MlflowPlace {
  kind: MlflowKind;
  uri: string;
  /** Holds the server's database and log. */
  directory: string;
  /** Where artifacts lie on this disk: `<artifacts>/<experiment>/<run>/artifacts/…`. */
  artifacts: string;
  /** Of MLflow's virtual environment. */
  python: string;
}

export interface MlflowServer extends MlflowPlace, AsyncDisposable {
  readonly port: number;
  /** Ends it and everything it started; resolves when all is gone. */
  stop(): Promise<void>;
  /** As a crash does: no goodbye. */
  kill(): Promise<void>;
}

export interface MlflowStart {
  kind: MlflowKind;
  /** Made where it is missing; a server started again in the same directory has the same runs. */
  directory: string;
  python: string;
  /** A free one, unless given. */
  port?: number;
  /** As it comes, with nothing but a port: four workers and the job runner; half a minute and 3 GiB. Otherwise one worker without jobs. */
  allDefaults?: boolean;
  /** A path that all of it is below, such as `/ml`. */
  prefix?: string;
  /** More words for `mlflow server`. */
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Milliseconds to wait for /health. */
  patience?: number;
}

/** Starts a real MLflow server on loopback and waits until it answers (7 to 13 s on two cores). */
export async function startMlflow(start: MlflowStart): Promise<MlflowServer> {
  const port = start.port ?? (await freePort());
  const artifacts = join(start.directory, start.allDefaults ? "mlartifacts" : "artifacts");
  mkdirSync(artifacts, { recursive: true });
  const log = join(start.directory, "server.log");
  const output = openSync(log, "a");
  const where =
    start.kind === "proxied" ? ["--artifacts-destination", artifacts] : ["--no-serve-artifacts", "--default-artifact-root", artifacts];
  const light = ["--host", "127.0.0.1", "-w", "1", "--backend-store-uri", `sqlite:///${start.directory}/mlflow.db`, ...where];
  const server = [start.python, "-m", "mlflow", "server", "--port", String(port), ...(start.allDefaults ? [] : light)];
  if (start.prefix !== undefined) server.push("--static-prefix", start.prefix);
  const child = Bun.spawn([start.python, join(import.meta.dir, "hold.py"), ...server, ...(start.args ?? [])], {
    stdio: ["pipe", output, output],
    // a group of its own: Ctrl-C in a terminal must not end the server before those who use it
    detached: true,
    cwd: start.directory,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: start.directory,
      MLFLOW_DISABLE_TELEMETRY: "true",
      ...(!start.allDefaults && { MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false" }),
      ...start.env,
    },
  });
  closeSync(output);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const queues = child.exitCode === null ? queuesOf(child.pid) : undefined;
    if (child.exitCode === null) child.kill(signal);
    await child.exited;
    if (queues !== undefined) rmSync(queues, { recursive: true, force: true });
  };
  const uri = `http://127.0.0.1:${port}${start.prefix ?? ""}`;
  const answered = await waitForHealth(uri, start.patience ?? 90_000, () => child.exitCode === null);
  if (!answered) {
    const early = child.exitCode;
    await end("SIGTERM");
    const words = (await Bun.file(log).text()).trim().split("\n").slice(-15).join("\n");
    throw new Error(`the MLflow server ${early === null ? "did not answer in time" : `ended with code ${early}`}; its log ends:\n${words}`);
  }
  return {
    kind: start.kind,
    uri,
    directory: start.directory,
    artifacts,
    python: start.python,
    port,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGUSR1"),
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

/** The directory in memory that a server with jobs makes at its start, and leaves. Only Linux tells. */
function queuesOf(holder: number): string | undefined {
  try {
    const [main] = childrenOf(holder);
    const [worker] = childrenOf(Number(main));
    const variables = readFileSync(`/proc/${worker}/environ`, "utf8").split("\0");
    return /^_MLFLOW_HUEY_STORAGE_PATH=(\/dev\/shm\/.+)$/m.exec(variables.join("\n"))?.[1];
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
}

async function waitForHealth(uri: string, patience: number, lives: () => boolean): Promise<boolean> {
  const deadline = performance.now() + patience;
  while (lives() && performance.now() < deadline) {
    try {
      if ((await fetch(`${uri}/health`, { signal: AbortSignal.timeout(5000) })).ok) return true;
    } catch {
      // not listening yet
    }
    await Bun.sleep(100);
  }
  return false;
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
