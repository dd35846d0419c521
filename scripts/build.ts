import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { commonChunk } from "./common-chunk.ts";

const project = join(import.meta.dir, "..");
const dist = join(project, "dist");
process.chdir(project);
// built beside it and renamed: a test that runs the old one never meets half a binary
const folder = join(dist, `.build-${process.pid}`);
mkdirSync(folder, { recursive: true });
removeLeftBehind();

const result = await Bun.build({
  entrypoints: [join(project, "src/main.ts")],
  target: "bun",
  // bytecode takes a third off the start of the process, and splitting another fifth: a command's code is loaded when it is called.
  // With top-level await, bytecode needs the esm format
  format: "esm",
  bytecode: true,
  splitting: true,
  plugins: [commonChunk(project)],
  minify: true,
  // goes into the binary: a stack shows our own files and lines
  sourcemap: "linked",
  // a .env or bunfig.toml of the directory that coffer is called in is not ours, and must not reach the child
  compile: { outfile: join(folder, "coffer"), autoloadDotenv: false, autoloadBunfig: false },
  throw: false,
});
for (const log of result.logs) console.error(log);
if (result.success) renameSync(join(folder, "coffer"), join(dist, "coffer"));
rmSync(folder, { recursive: true, force: true });
process.exitCode = result.success ? 0 : 1;

/**
 * What killed builds have left: their folder, and Bun's first draft of the executable. That one lies in the working directory, which is the project's,
 * since the paths of the source map begin there. A build takes seconds, so what is an hour old is of none that goes on.
 */
function removeLeftBehind(): void {
  const anHourAgo = Date.now() - 3_600_000;
  const found = [".build-*", "../.*.bun-build"].flatMap((pattern) => [
    ...new Bun.Glob(pattern).scanSync({ cwd: dist, dot: true, onlyFiles: false }),
  ]);
  for (const name of found) {
    const made = statSync(join(dist, name), { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (made < anHourAgo) rmSync(join(dist, name), { recursive: true, force: true });
  }
}
