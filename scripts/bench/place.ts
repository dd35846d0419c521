import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Peers } from "../peers/install.ts";
import { markAsSpread, retireDirectory } from "./fresh-directory.ts";
import type { Place } from "./subject.ts";

const project = join(import.meta.dir, "../..");

/**
 * On the disk of the checkout, since a temporary directory may be memory; but in the temporary directory where that is on the same
 * disk, since inside of the checkout each run would capture the state of our own repository.
 */
export function benchParent(): string {
  const parent = statSync(tmpdir()).dev === statSync(project).dev ? tmpdir() : join(project, ".cache");
  mkdirSync(parent, { recursive: true });
  return parent;
}

/** A folder that is removed at the end, however this process ends itself. */
export function makeHome(): { directory: string } & Disposable {
  const directory = mkdtempSync(join(benchParent(), "coffer-bench-"));
  markAsSpread(directory);
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  // a signal ends the process without leaving any scope
  process.once("exit", remove);
  return {
    directory,
    [Symbol.dispose]() {
      process.off("exit", remove);
      remove();
    },
  };
}

/** Where one subject is prepared and measured, within the home of all; `coffer`: the compiled one. */
export function makePlace(home: string, coffer: string, peers: Peers): Place & Disposable {
  const directory = mkdtempSync(join(home, "place-"));
  markAsSpread(directory);
  return {
    directory,
    coffer,
    peers,
    async compile(program) {
      const outfile = join(directory, program);
      const source = join(import.meta.dir, "programs", `${program}.ts`);
      const words = ["build", "--compile", "--minify", "--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig", source];
      const build = Bun.spawnSync([process.execPath, ...words, "--outfile", outfile], { stdio: ["ignore", "ignore", "inherit"] });
      if (build.exitCode !== 0) throw new Error(`${program} cannot be built`);
      return outfile;
    },
    [Symbol.dispose]: () => retireDirectory(directory),
  };
}
