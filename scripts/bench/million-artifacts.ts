// `bun scripts/bench/million-artifacts.ts [--artifacts N] [DIR]`: prints the root of a store of 1,000,000 artifacts, or of N; with DIR, of a copy of it that may be changed.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { closeDatabase, openDatabase } from "../../src/db/open/open.ts";
import { MIGRATIONS } from "../../src/db/open/migrations.ts";
import { fillRows } from "./million-rows.ts";
import { benchParent } from "./place.ts";
import { hexOf } from "./steady.ts";

if (Bun.spawnSync([process.execPath, join(import.meta.dir, "../build.ts")], { stdio: ["ignore", "ignore", "inherit"] }).exitCode !== 0)
  process.exit(1);
const { values, positionals } = parseArgs({ allowPositionals: true, options: { artifacts: { type: "string", default: "1000000" } } });
const root = manyArtifacts(join(import.meta.dir, "../../dist/coffer"), Number(values.artifacts));
const copy = positionals[0] === undefined ? undefined : resolve(positionals[0]);
if (copy !== undefined) cpSync(root, copy, { recursive: true, errorOnExist: true, force: false });
console.log(copy ?? root);

/** The root of the store, made where this machine does not have it yet. Nothing in it may be changed but what a reader changes. */
function manyArtifacts(coffer: string, artifacts: number): string {
  const kept = join(benchParent(), `coffer-bench-${artifacts === 1_000_000 ? "million" : artifacts}-${fingerprint()}`);
  if (existsSync(kept)) return kept;
  // where the bench is interrupted, it removes what is half made
  const making = mkdtempSync(join(process.env["COFFER_BENCH_HOME"] ?? benchParent(), "coffer-bench-million-"));
  try {
    const root = join(making, "root");
    mkdirSync(root);
    fill(join(root, "coffer.db"), artifacts);
    logReadable(coffer, root, making);
    try {
      renameSync(root, kept);
    } catch (error) {
      // another process was faster
      if (!existsSync(kept)) throw error;
    }
    return kept;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function fingerprint(): string {
  const sources = ["million-artifacts.ts", "million-rows.ts", "million-inserts.ts", "steady.ts"].map((name) =>
    readFileSync(join(import.meta.dir, name), "utf8"),
  );
  return Bun.hash([...MIGRATIONS, ...sources].join("\n"))
    .toString(16)
    .slice(0, 12);
}

function fill(path: string, artifacts: number): void {
  const db = openDatabase(path, { make: true, say: console.error });
  try {
    for (const pragma of ["journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "cache_size = -1000000"])
      db.run(`PRAGMA ${pragma}`);
    fillRows(db, artifacts);
    db.run("PRAGMA journal_mode = WAL");
  } finally {
    closeDatabase(db);
  }
}

function logReadable(coffer: string, root: string, directory: string): void {
  const log = (words: string): void => {
    const child = Bun.spawnSync([coffer, "log", "--quiet", ...words.split(" ")], {
      cwd: directory,
      env: { PATH: process.env["PATH"] ?? "", HOME: directory, COFFER_ROOT: root },
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (child.exitCode !== 0) throw new Error(`coffer log ${words} ended with ${child.exitCode}`);
  };
  const write = (name: string, bytes: number, salt: number): string => {
    writeFileSync(join(directory, name), Buffer.from(hexOf(salt, bytes).repeat(Math.ceil(bytes / 64))).subarray(0, bytes));
    return name;
  };
  for (let version = 1; version <= 3; version++) {
    const model = write("model.onnx", 1 << 20, 20 + version);
    log(`${model} --name bench-model --type model --class Ridge --metric rmse=${0.3 / version} --param lr=0.1`);
  }
  mkdirSync(join(directory, "data"));
  for (let nth = 0; nth < 40; nth++) write(`data/${nth}.csv`, 1000 + nth, 40 + nth);
  log("data --name bench-data --type dataset");
  for (const branch of [0, 1])
    for (const [nth, fold] of ["0", "1", "2", "3", "4", "all"].entries()) {
      const model = write(`fold-${fold}.joblib`, 200_000, 100 + branch * 10 + nth);
      log(`${model} --step bench:${branch}:3:${fold} --type model --class PLS`);
    }
}
