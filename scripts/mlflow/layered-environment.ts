import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { lock } from "../parts/lock.ts";
import { runToEnd } from "../parts/run-to-end.ts";
import { installedPython } from "./environment.ts";

/** A virtual environment of few packages; what it does not hold is found in MLflow's own. */
export interface Layer {
  /** Beside package.json; ignored by git. */
  folder: string;
  /** A file beside this one. */
  requirements: string;
  /** Exactly the listed packages: what they require must be there, in this layer or in the one beneath. */
  exact?: boolean;
}

const project = join(import.meta.dir, "../..");

/** The Python of a layer; undefined where it has not been installed (as it is now required). */
export function layeredPython(layer: Layer): string | undefined {
  const python = join(project, layer.folder, "bin/python");
  const stamp = stampOf(layer);
  return existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted(layer) ? python : undefined;
}

/**
 * Installs a layer (half a minute at most, once) and returns its Python, which runs `mlflow server` too.
 * @throws Error where MLflow is not installed, or pip fails
 */
export async function installLayer(layer: Layer, say: (words: string) => void): Promise<string> {
  const mlflow = installedPython();
  if (!mlflow) throw new Error("MLflow is not installed under .venv; `npm test` does that");
  const folder = join(project, layer.folder);
  await using _lock = await lock(`${folder}.lock`);
  const ready = layeredPython(layer);
  if (ready) return ready;
  rmSync(folder, { recursive: true, force: true });
  say(`$ python3 -m venv --without-pip ${folder}`);
  await runToEnd([mlflow, "-m", "venv", "--without-pip", folder], "python3 -m venv failed");
  // a second copy of MLflow's requirements would be a gigabyte
  writeFileSync(join(sitePackages(folder), "mlflow.pth"), `${sitePackages(dirname(dirname(mlflow)))}\n`);
  const python = join(folder, "bin/python");
  const list = join(import.meta.dir, layer.requirements);
  say(`$ pip install -r ${list}`);
  const pip = [mlflow, "-m", "pip", "--disable-pip-version-check", "--python", python];
  await runToEnd(
    [...pip, "install", "--quiet", ...(layer.exact ? ["--no-deps"] : []), "-r", list],
    `pip could not install ${basename(list)}`,
  );
  if (layer.exact) await runToEnd([...pip, "check"], `${basename(list)} lacks something`);
  writeFileSync(stampOf(layer), wanted(layer));
  return python;
}

/** Both lists: .venv may be made anew with another MLflow. */
function wanted({ requirements }: Layer): string {
  return ["requirements.txt", requirements].map((list) => readFileSync(join(import.meta.dir, list), "utf8")).join("");
}

function stampOf({ folder }: Layer): string {
  return join(project, folder, "installed.txt");
}

function sitePackages(environment: string): string {
  const lib = join(environment, "lib");
  const python = readdirSync(lib).find((name) => name.startsWith("python"));
  if (!python) throw new Error(`${environment} is no virtual environment`);
  return join(lib, python, "site-packages");
}
