// `npm run bench -- [NAME …] [--peers | --growth | --fsyncs] [--rounds N] [--write]`: whole processes, timed in turn with a reference. `--help` says more.
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { peersOnDemand } from "../peers/install.ts";
import type { Peers } from "../peers/install.ts";
import { endOfRun } from "./ahead.ts";
import { endDescendants } from "./end-descendants.ts";
import { copyLarge, moveLarge } from "./few-large.ts";
import { applyGc } from "./gc-apply.ts";
import { getSmall } from "./get-small.ts";
import { FLUSHES, traceFlushes } from "./flushes.ts";
import { GROWTH, measureGrowth } from "./growth.ts";
import { importManifest } from "./import-manifest.ts";
import { drawLineage } from "./lineage.ts";
import { manySmall } from "./many-small.ts";
import { measure } from "./measure.ts";
import { deliverToMlflow } from "./mlflow.ts";
import { stopServers } from "./mlflow-servers.ts";
import { openStore } from "./open-store.ts";
import { renderPage } from "./page.ts";
import { makeHome, makePlace } from "./place.ts";
import { planGc } from "./plan-gc.ts";
import { askMillion } from "./registry.ts";
import { repackStore } from "./repack.ts";
import { smallAgain } from "./small-again.ts";
import { start } from "./start.ts";
import { logLines } from "./stdin.ts";
import type { Subject } from "./subject.ts";
import { GOALS, makeRow, peerRows, PEERS, renderRow, renderTable } from "./table.ts";
import type { Row, Table } from "./table.ts";
import { renderUsage } from "./usage.ts";
import { verifyBytes } from "./verify.ts";
import { wrap, wrapInGit } from "./wrap.ts";
import { writeOut } from "./write-out.ts";

const SUBJECTS: readonly Subject[] = [
  start,
  openStore,
  wrap,
  wrapInGit,
  manySmall,
  ...smallAgain,
  moveLarge,
  copyLarge,
  ...endOfRun,
  writeOut,
  getSmall,
  ...verifyBytes,
  logLines,
  ...askMillion,
  ...planGc,
  applyGc,
  repackStore,
  ...drawLineage,
  importManifest,
  ...deliverToMlflow,
];
const project = join(import.meta.dir, "../..");

/** A row of three sizes is twelve measurements with three rounds. */
const GROWTH_ROUNDS = 3;

const { values, positionals } = readWords();
if (values.help) {
  console.log(renderUsage(SUBJECTS));
  process.exit(0);
}
if (values.rounds !== undefined && !/^[1-9]\d*$/.test(values.rounds)) refuse(`--rounds ${values.rounds}: not a number of rounds`);
/** `mlflow` means all of `mlflow-…`, but a name that is a subject's own means that one. */
const isMeant = (name: string, { name: own }: Subject): boolean =>
  own === name || (own.startsWith(`${name}-`) && !SUBJECTS.some((subject) => subject.name === name));
const unknown = positionals.filter((name) => !SUBJECTS.some((subject) => isMeant(name, subject)));
if (unknown.length > 0) refuse(`no such subject: ${unknown.join(", ")}; there are ${SUBJECTS.map(({ name }) => name).join(", ")}`);
const chosen = positionals.length === 0 ? SUBJECTS : SUBJECTS.filter((subject) => positionals.some((name) => isMeant(name, subject)));

const build = Bun.spawnSync([process.execPath, join(project, "scripts/build.ts")], { stdio: ["ignore", "inherit", "inherit"] });
if (build.exitCode !== 0) process.exit(1);

// whoever builds meanwhile changes nothing here
using home = makeHome();
const coffer = join(home.directory, "coffer");
copyFileSync(join(project, "dist/coffer"), coffer);

// what is half made of the store of a million artifacts goes with the rest
process.env["COFFER_BENCH_HOME"] = home.directory;
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    // npm repeats what the terminal has sent to everybody
    if (interrupted) return;
    interrupted = true;
    console.error("interrupted: all that was started is ended, and its files are removed");
    endDescendants();
    // what a server keeps, on the disk and in memory, does not go by itself; who waited for one may have started another program meanwhile
    void stopServers().finally(() => {
      endDescendants();
      process.exit(130);
    });
  });

const peers: Peers = values.peers ? peersOnDemand(console.error) : new Map();
const made = new Map<Table, Row[]>();
const missed: string[] = [];
try {
  if (values.growth) for (const subject of chosen.filter(({ growth }) => growth)) await grow(subject);
  if (values.fsyncs) await traceAll(chosen.filter(({ durable }) => durable ?? positionals.length > 0));
  if (!values.growth && !values.fsyncs) for (const subject of chosen) await race(subject);
} catch (error) {
  if (!interrupted) throw error;
  process.exitCode = 130;
} finally {
  endDescendants();
  await stopServers();
}
for (const [table, rows] of made) console.log(`${renderTable(table, rows)}\n`);
if (values.write && !interrupted) {
  const path = join(project, "docs/benchmarks.md");
  writeFileSync(path, renderPage(SUBJECTS, existsSync(path) ? readFileSync(path, "utf8") : "", made));
}
if (!interrupted) process.exitCode = missed.length === 0 ? 0 : 1;

function readWords() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        rounds: { type: "string" },
        peers: { type: "boolean" },
        growth: { type: "boolean" },
        fsyncs: { type: "boolean" },
        write: { type: "boolean" },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(why: string): never {
  console.error(`${why}\n\`npm run bench -- --help\` says what can be given.`);
  process.exit(2);
}

async function race(subject: Subject): Promise<void> {
  if (interrupted) return;
  using place = makePlace(home.directory, coffer, peers);
  console.error(`${subject.name}: ${subject.what} …`);
  const samples = await measure(await subject.prepare(place), roundsOf(subject.rounds));
  const row = makeRow(subject, samples);
  if (!row.met) missed.push(row.what);
  keep(GOALS, [row]);
  keep(PEERS, peerRows(subject, samples));
}

async function grow(subject: Subject): Promise<void> {
  if (interrupted) return;
  console.error(`${subject.name}: ${subject.what}, at three sizes …`);
  keep(GROWTH, [await measureGrowth(subject, roundsOf(GROWTH_ROUNDS), () => makePlace(home.directory, coffer, new Map()))]);
}

async function traceAll(subjects: readonly Subject[]): Promise<void> {
  if (!Bun.which("strace")) {
    console.error("the flushes are left out: strace is not installed");
    return;
  }
  for (const subject of subjects) {
    if (interrupted) return;
    using place = makePlace(home.directory, coffer, new Map());
    console.error(`${subject.name}: ${subject.what}, under strace …`);
    keep(FLUSHES, [await traceFlushes(subject, place)]);
  }
}

function roundsOf(usual: number): number {
  return values.rounds === undefined ? usual : Number(values.rounds);
}

function keep(table: Table, rows: readonly Row[]): void {
  if (rows.length === 0) return;
  made.set(table, [...(made.get(table) ?? []), ...rows]);
  for (const row of rows) console.error(renderRow(row));
}
