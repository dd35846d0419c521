import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const requirements = join(import.meta.dir, "requirements.txt");
const folder = join(import.meta.dir, "../../.venv");

/** The Python of the virtual environment that holds MLflow; undefined where it has not been installed (as it is now required). */
export function installedPython(): string | undefined {
  const python = join(folder, "mlflow/bin/python");
  return existsSync(python) && readIfThere(join(folder, "mlflow/installed.txt")) === wanted() ? python : undefined;
}

/**
 * Installs MLflow into .venv/mlflow (a minute, once; again when requirements.txt changes) and returns its Python.
 * @throws Error with what to do where Python or its venv module is missing, or pip fails
 */
export async function installMlflow(say: (words: string) => void): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await using _lock = await lock(join(folder, "lock"));
  const ready = installedPython();
  if (ready) return ready;
  const target = join(folder, "mlflow");
  rmSync(target, { recursive: true, force: true });
  const python3 = Bun.which("python3");
  if (!python3) throw new Error("python3 is not on the PATH; the MLflow server needs Python 3.10 or newer");
  say(`$ python3 -m venv ${target}`);
  await run([python3, "-m", "venv", target], "python3 -m venv failed; on Debian and Ubuntu its pip comes with `apt install python3-venv`");
  const python = join(target, "bin/python");
  say(`$ pip install -r ${requirements}`);
  await run(
    [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
    `pip could not install ${wanted().trim()}`,
  );
  writeFileSync(join(target, "installed.txt"), wanted());
  return python;
}

function wanted(): string {
  return readFileSync(requirements, "utf8");
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

export async function run(command: string[], failure: string): Promise<void> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${failure}\n${(err || out).trim().slice(-2000)}`);
}

/** Two test runs at once must not install into one folder. The directory is the lock; its owner's pid is inside. */
export async function lock(path: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, "pid"), String(process.pid));
      return { [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    await Bun.sleep(200);
    const owner = Number(readIfThere(join(path, "pid")));
    if (owner && !existsSync(`/proc/${owner}`) && process.platform === "linux") rmSync(path, { recursive: true, force: true });
  }
}
