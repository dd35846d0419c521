import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installedPython, lock, run } from "./environment.ts";
import { freePort } from "./server.ts";

const requirements = join(import.meta.dir, "moto-requirements.txt");
const folder = join(import.meta.dir, "../../.venv-moto");
const stamp = join(folder, "installed.txt");

/** A storage that speaks S3, on loopback. It checks no signatures. */
export interface Moto extends AsyncDisposable {
  uri: string;
  /** What a process needs in its environment to write to it. */
  env: Readonly<Record<string, string>>;
}

/** The Python that has moto and boto3, and beneath them the MLflow of .venv; undefined where it has not been installed. */
export function motoPython(): string | undefined {
  const python = join(folder, "bin/python");
  return existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted() ? python : undefined;
}

/**
 * Installs moto and boto3 into .venv-moto (half a minute, once) and returns its Python, which runs `mlflow server` too.
 * @throws Error where MLflow is not installed, or pip fails
 */
export async function installMoto(say: (words: string) => void): Promise<string> {
  const mlflow = installedPython();
  if (!mlflow) throw new Error("MLflow is not installed under .venv; `npm test` does that");
  await using _lock = await lock(`${folder}.lock`);
  const ready = motoPython();
  if (ready) return ready;
  rmSync(folder, { recursive: true, force: true });
  say(`$ python3 -m venv ${folder}`);
  await run([mlflow, "-m", "venv", folder], "python3 -m venv failed");
  // a second copy of MLflow would be a gigabyte: what is not here is found there
  writeFileSync(join(sitePackages(folder), "mlflow.pth"), `${sitePackages(dirname(dirname(mlflow)))}\n`);
  const python = join(folder, "bin/python");
  say(`$ pip install -r ${requirements}`);
  await run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], "pip could not install moto");
  writeFileSync(stamp, wanted());
  return python;
}

/** Starts it with one empty bucket (under a second). */
export async function startMoto(python: string, bucket: string): Promise<Moto> {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}`;
  const child = Bun.spawn([python, join(import.meta.dir, "hold.py"), python, "-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const end = async (): Promise<void> => {
    if (child.exitCode === null) child.kill("SIGTERM");
    await child.exited;
  };
  for (const deadline = performance.now() + 60_000; ;) {
    const made = await fetch(`${uri}/${bucket}`, { method: "PUT" }).catch(() => undefined);
    if (made?.ok) break;
    if (child.exitCode !== null || performance.now() > deadline) {
      await end();
      throw new Error("moto did not answer");
    }
    await Bun.sleep(100);
  }
  const env = {
    MLFLOW_S3_ENDPOINT_URL: uri,
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "not-a-secret",
    AWS_DEFAULT_REGION: "us-east-1",
  };
  return { uri, env, [Symbol.asyncDispose]: end };
}

/** Both lists: .venv may be made anew with another MLflow. */
function wanted(): string {
  return readFileSync(join(import.meta.dir, "requirements.txt"), "utf8") + readFileSync(requirements, "utf8");
}

function sitePackages(environment: string): string {
  const lib = join(environment, "lib");
  const python = readdirSync(lib).find((name) => name.startsWith("python"));
  if (!python) throw new Error(`${environment} is no virtual environment`);
  return join(lib, python, "site-packages");
}
