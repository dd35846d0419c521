import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { configTemplate } from "../config/template.ts";
import { CofferError, errno, reason } from "../domain/error.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";

interface Initialised {
  schema: "coffer.init/1";
  directory: string;
  /** Names of files that were written or added to. */
  wrote: string[];
  /** Names of files that were there already and stayed as they are. */
  kept: string[];
}

export default command(
  {
    flags: {},
    positionals: [{ name: "DIR", description: "the project's directory; without it the current one" }],
    about:
      "Writes a commented coffer.yaml, and a line to .gitignore that keeps the store out of git. What is there already stays as it is. The store itself is made when something is kept first.",
    examples: [
      ["coffer init", "start a project here"],
      ["coffer init --root /data/coffer", "with the store in another place"],
    ],
  },
  async ({ positionals: [name = "."], io }) => {
    const directory = resolve(io.cwd, name);
    const rootPath = await rootFor(directory, io);
    const result: Initialised = { schema: "coffer.init/1", directory, wrote: [], kept: [] };
    try {
      mkdirSync(directory, { recursive: true });
      result[writeNew(join(directory, "coffer.yaml"), configTemplate(rootPath)) ? "wrote" : "kept"].push("coffer.yaml");
      if (rootPath.startsWith("./"))
        result[addLine(join(directory, ".gitignore"), ignoreLine(rootPath)) ? "wrote" : "kept"].push(".gitignore");
    } catch (error) {
      throw new CofferError("UNREADABLE", `${directory} cannot be made a project: ${reason(error)}`, {
        hint: "name a directory that you can write",
        cause: error,
      });
    }
    io.print(result, render);
  },
);

function render({ directory, wrote, kept }: Initialised): string {
  const lines = [
    ...wrote.map((name) => `wrote ${join(directory, name)}`),
    ...kept.map((name) => `kept ${join(directory, name)}: it was there already`),
  ];
  return lines.join("\n");
}

/** Only `--root` chooses another place: what the environment says holds for this shell, not for the project. */
async function rootFor(directory: string, io: Io): Promise<string> {
  const settings = await io.settings();
  if (settings.origin("artifact_store.root_path").source !== "flag") return "./artifacts";
  const way = relative(directory, settings.roots.store);
  if (way === "") return ".";
  return way === ".." || way.startsWith("../") ? settings.roots.store : `./${way}`;
}

/** Made exclusively, so that a file that appears in this moment is not overwritten either. */
function writeNew(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
}

function addLine(path: string, line: string): boolean {
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const wanted = bare(line);
  if (before.split(/\r?\n/).some((other) => bare(other) === wanted)) return false;
  appendFileSync(path, `${before === "" || before.endsWith("\n") ? "" : "\n"}${line}\n`);
  return true;
}

/** `artifacts`, `/artifacts` and `artifacts/` all leave the store out. */
function bare(line: string): string {
  return line.trim().replace(/^\//, "").replace(/\/$/, "");
}

function ignoreLine(rootPath: string): string {
  return `/${rootPath.slice(2).replace(/[*?[\]\\]/g, "\\$&")}/`;
}
