import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dir, "..");
const target = join(project, "dist/coffer");
// written beside it and renamed: a test that runs the old one never meets half a binary
const fresh = join(project, `dist/.coffer-${process.pid}`);

const result = await Bun.build({
  entrypoints: [join(project, "src/main.ts")],
  target: "bun",
  // bytecode takes a third off the start of the process; with top-level await it needs the esm format
  format: "esm",
  bytecode: true,
  minify: true,
  sourcemap: "linked",
  // a .env or bunfig.toml of the directory that coffer is called in is not ours, and must not reach the child
  compile: { outfile: fresh, autoloadDotenv: false, autoloadBunfig: false },
  throw: false,
});
for (const log of result.logs) console.error(log);
if (result.success) renameSync(fresh, target);
rmSync(fresh, { force: true });
process.exitCode = result.success ? 0 : 1;
