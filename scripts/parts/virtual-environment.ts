import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lock } from "./lock.ts";
import { runToEnd } from "./run-to-end.ts";

const folder = join(import.meta.dir, "../../.venv");

/** The Python of `.venv/<name>`; undefined where it has not been installed as its requirements file now says. */
export function environmentPython(name: string, requirements: string): string | undefined {
  const python = join(folder, name, "bin/python");
  const stamp = join(folder, name, "installed.txt");
  return existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(requirements, "utf8") ? python : undefined;
}

/**
 * Installs a requirements file from PyPI into `.venv/<name>` (once; again when the file changes) and returns its Python.
 * @throws Error with what to do where Python or its venv module is missing, or pip fails
 */
export async function installEnvironment(name: string, requirements: string, say: (words: string) => void): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await using _lock = await lock(join(folder, "lock"));
  const ready = environmentPython(name, requirements);
  if (ready) return ready;
  const target = join(folder, name);
  rmSync(target, { recursive: true, force: true });
  const python3 = Bun.which("python3");
  if (!python3) throw new Error(`python3 is not on the PATH; ${name} needs Python 3.10 or newer`);
  say(`$ python3 -m venv ${target}`);
  await runToEnd(
    [python3, "-m", "venv", target],
    "python3 -m venv failed; on Debian and Ubuntu its pip comes with `apt install python3-venv`",
  );
  const python = join(target, "bin/python");
  say(`$ pip install -r ${requirements}`);
  await runToEnd(
    [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements],
    `pip could not install ${readFileSync(requirements, "utf8").trim()}`,
  );
  writeFileSync(join(target, "installed.txt"), readFileSync(requirements, "utf8"));
  return python;
}
