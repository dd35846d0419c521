import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { binary, cleanEnvironment } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { fencedBlocks } from "./markdown.ts";
import { play, stepsOf } from "./session.ts";

export const project = join(import.meta.dir, "../..");

export function readPage(path: string): string {
  return readFileSync(join(project, path), "utf8");
}

/**
 * Types all that the `console` blocks of a page say into one shell, in a directory with `dist` and `examples` as the project has them, with a home of its own,
 * and returns what did not go as the page says. `without`: a heading whose blocks are left out.
 */
export async function playPage(page: string, options: { without?: string; onPath?: string } = {}): Promise<string[]> {
  using root = temporaryRoot();
  const [clone, home] = [root.at("clone"), root.at("home")];
  for (const directory of [clone, home]) mkdirSync(directory);
  symlinkSync(dirname(binary()), join(clone, "dist"));
  symlinkSync(join(project, "examples"), join(clone, "examples"));
  const blocks = fencedBlocks(page).filter(({ language, heading }) => language === "console" && heading !== options.without);
  const clean = cleanEnvironment();
  const path = [options.onPath, clean["PATH"]].filter((part) => part !== undefined).join(delimiter);
  return await play(stepsOf(blocks), { cwd: clone, env: { ...clean, HOME: home, PATH: path }, script: root.at("typed.sh") });
}
