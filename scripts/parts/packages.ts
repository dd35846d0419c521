import { copyFileSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cachedFolder } from "./cached-folder.ts";
import { runToEnd } from "./run-to-end.ts";

/**
 * Installs what the package-lock.json in `folder` says, once, and returns the node_modules. For parts that a few tests need: as dependencies of the project they would
 * make each `npm ci` twice as large.
 */
export async function npmPackages(name: string, folder: string): Promise<string> {
  const lists = ["package.json", "package-lock.json"];
  const ingredients = [process.platform, process.arch, ...lists.map((list) => readFileSync(join(folder, list), "utf8"))];
  const made = await cachedFolder(name, ingredients, async (into) => {
    for (const list of lists) copyFileSync(join(folder, list), join(into, list));
    // nothing of theirs runs while it is installed
    await runToEnd(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], `npm could not install ${name}`, into);
  });
  return join(made, "node_modules");
}

/** Installs what a requirements file says into a folder of its own, once, and returns it: a PYTHONPATH for this Python. `alone`: nothing that these require. */
export async function pythonPackages(python: string, requirements: string, { alone = false } = {}): Promise<string> {
  const version = await runToEnd([python, "--version"], `${python} does not start`);
  const ingredients = [process.platform, process.arch, version, readFileSync(requirements, "utf8")];
  return await cachedFolder(basename(requirements, ".txt"), ingredients, async (into) => {
    const pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
    await runToEnd(
      [...pip, ...(alone ? ["--no-deps"] : []), "--target", into, "-r", requirements],
      `pip could not install ${requirements}`,
    );
  });
}
