// `bun run bench [NAME…] [--rounds N] [--write]`: whole processes, timed in turn with a reference. --write puts their rows into docs/benchmarks.md.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { copyLarge, moveLarge } from "./few-large.ts";
import { importManifest } from "./import-manifest.ts";
import { drawLineage } from "./lineage.ts";
import { manySmall } from "./many-small.ts";
import { measure } from "./measure.ts";
import { deliverToMlflow } from "./mlflow.ts";
import { stopServers } from "./mlflow-servers.ts";
import { openStore } from "./open-store.ts";
import { planGc } from "./plan-gc.ts";
import { askMillion } from "./registry.ts";
import { start } from "./start.ts";
import type { Place, Subject } from "./subject.ts";
import { makeRow, mergeRows, renderTable } from "./table.ts";
import type { Row } from "./table.ts";
import { wrap, wrapInGit } from "./wrap.ts";
import { writeOut } from "./write-out.ts";

const SUBJECTS: readonly Subject[] = [
  start,
  openStore,
  wrap,
  wrapInGit,
  manySmall,
  moveLarge,
  copyLarge,
  writeOut,
  ...askMillion,
  ...planGc,
  ...drawLineage,
  importManifest,
  ...deliverToMlflow,
];
const project = join(import.meta.dir, "../..");

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string" }, write: { type: "boolean" } } });
/** `mlflow` means all of `mlflow-…` too. */
const isMeant = (name: string, { name: own }: Subject): boolean => own === name || own.startsWith(`${name}-`);
const unknown = positionals.filter((name) => !SUBJECTS.some((subject) => isMeant(name, subject)));
if (unknown.length > 0) {
  console.error(`no such subject: ${unknown.join(", ")}; there are ${SUBJECTS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const chosen = positionals.length === 0 ? SUBJECTS : SUBJECTS.filter((subject) => positionals.some((name) => isMeant(name, subject)));

const build = Bun.spawnSync([process.execPath, join(project, "scripts/build.ts")], { stdio: ["ignore", "inherit", "inherit"] });
if (build.exitCode !== 0) process.exit(1);

// whoever builds meanwhile changes nothing here
using home = makeHome();
const coffer = join(home.directory, "coffer");
copyFileSync(join(project, "dist/coffer"), coffer);

// what a server keeps, on the disk and in memory, does not go by itself
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stopServers().finally(() => process.exit(130)));

const rows: Row[] = [];
try {
  for (const subject of chosen) {
    using place = makePlace();
    console.error(`${subject.name}: ${subject.what} …`);
    const contest = await subject.prepare(place);
    rows.push(makeRow(subject, await measure(contest, values.rounds === undefined ? subject.rounds : Number(values.rounds))));
    console.error(renderTable(rows.slice(-1)).split("\n").at(-1));
  }
} finally {
  await stopServers();
}
console.log(renderTable(rows));
if (values.write) {
  const path = join(project, "docs/benchmarks.md");
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  writeFileSync(path, page(mergeRows(SUBJECTS, before, rows)));
}
process.exitCode = rows.every((row) => row.met) ? 0 : 1;

/**
 * On the disk of the checkout, since a temporary directory may be memory; but in the temporary directory where that is on the same
 * disk, since inside of the checkout each run would capture the state of our own repository.
 */
function makeHome(): { directory: string } & Disposable {
  const parent = statSync(tmpdir()).dev === statSync(project).dev ? tmpdir() : join(project, ".cache");
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, "coffer-bench-"));
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}

function makePlace(): Place & Disposable {
  const { directory, [Symbol.dispose]: dispose } = makeHome();
  return {
    directory,
    coffer,
    async compile(program) {
      const outfile = join(directory, program);
      // not by Bun.build: what this process once held in memory counts as the peak of all that it starts
      const words = [
        "build",
        "--compile",
        "--minify",
        "--no-compile-autoload-dotenv",
        "--no-compile-autoload-bunfig",
        join(import.meta.dir, "programs", `${program}.ts`),
      ];
      const build = Bun.spawnSync([process.execPath, ...words, "--outfile", outfile], { stdio: ["ignore", "ignore", "inherit"] });
      if (build.exitCode !== 0) throw new Error(`${program} cannot be built`);
      return outfile;
    },
    [Symbol.dispose]: dispose,
  };
}

/** `table`: what was measured now, and of the other subjects what was before. */
function page(table: string): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, ${process.platform} ${release()}`;
  return `# Benchmarks

Whole processes, from start to exit, measured by \`bun run bench --write\` until ${new Date().toISOString().slice(0, 10)}: ${machine}, on the disk of the
checkout. (\`bun run bench NAME --write\` makes some rows anew and keeps the others.) Each row is timed in turn with its reference (A B A B …) after one round for warming up; medians, with the range in brackets.
Inputs are random bytes, made anew for each round and written out before the clock starts. Peak memory is the highest of all runs,
over all processes of one; at most 150 MB is the goal, 300 MB for gc and 200 MB for the import. A wide range means that the disk had two speeds:
then hold the lower ends against each other, not the medians.

The rows of \`sync-mlflow\` stand against MLflow's own Python client 3.17.2, of which only the call itself is timed, without its imports and the making of a
run; ours is the whole process, which finds or makes the run, sends, and reads everything back. The server is \`mlflow server\` with its defaults, made on the
same machine; memory there is that of our process alone.

${table}
`;
}
