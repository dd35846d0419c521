import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dir, "..");
// built beside it and renamed: a test that runs the old one never meets half a binary
const folder = join(project, `dist/.build-${process.pid}`);

const result = await Bun.build({
  entrypoints: [join(project, "src/main.ts")],
  target: "bun",
  // bytecode takes a third off the start of the process, and splitting another fifth: a command's code is loaded when it is called.
  // With top-level await, bytecode needs the esm format
  format: "esm",
  bytecode: true,
  splitting: true,
  minify: true,
  // goes into the binary: a stack shows our own files and lines
  sourcemap: "linked",
  // a .env or bunfig.toml of the directory that coffer is called in is not ours, and must not reach the child
  compile: { outfile: join(folder, "coffer"), autoloadDotenv: false, autoloadBunfig: false },
  throw: false,
});
for (const log of result.logs) console.error(log);
if (result.success) renameSync(join(folder, "coffer"), join(project, "dist/coffer"));
rmSync(folder, { recursive: true, force: true });
process.exitCode = result.success ? 0 : 1;
