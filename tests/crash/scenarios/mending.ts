import { Database } from "bun:sqlite";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "../../cli/run-place.ts";
import { refs } from "../kill-at.ts";
import type { Scenario } from "../kill-at.ts";
import { did } from "./keeping.ts";

/** A run whose workspace has a copy of all its bytes: a large file, and a directory that is a pack in the store. */
async function run(here: Place): Promise<void> {
  const script = "cd $COFFER_WORKSPACE; head -c 200000 /dev/zero >m.bin; mkdir d; for i in $(seq 40); do echo $i >d/$i; done";
  await did(here, "run", "--register", "model=m.bin", "--register", "dir=d", "--", "sh", "-c", script);
}

/** Does something to the one file of this kind that the store has. `mode`: what it has afterwards. */
function harm(here: Place, extension: string, how: (path: string) => void, mode = 0o444): void {
  const path = join(here.root, "binaries", here.binaries().find((name) => name.endsWith(extension)) as string);
  chmodSync(path, 0o644);
  how(path);
  chmodSync(path, mode);
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes.write("x", 512);
  writeFileSync(path, bytes);
}

const REPAIR = ["verify", "--repair"];
const seen = async (here: Place): Promise<number | null> => (await here.coffer(["verify"])).code;

/** The database without its log, to be changed or removed by hand. */
function fold(here: Place): string {
  const file = join(here.root, "coffer.db");
  using db = new Database(file);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  return file;
}

function lose(here: Place): void {
  const file = fold(here);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
}

/** An entry of an index that says something else than its row. */
function spoilIndex(here: Place): void {
  const file = fold(here);
  let page: number;
  {
    using db = new Database(file);
    page = (db.query("SELECT rootpage FROM sqlite_schema WHERE name = 'artifacts_by_type'").get() as { rootpage: number }).rootpage;
  }
  for (const beside of ["-wal", "-shm"]) rmSync(`${file}${beside}`, { force: true });
  const bytes = readFileSync(file);
  bytes.write("nodel", (page - 1) * 4096 + bytes.subarray((page - 1) * 4096, page * 4096).indexOf("model"));
  writeFileSync(file, bytes);
}

export const MENDING: readonly Scenario[] = [
  {
    title: "the repair of a file",
    async prepare(here) {
      await run(here);
      harm(here, ".bin", (path) => truncateSync(path, 100));
    },
    call: REPAIR,
    seen,
    isDamaged: true,
    kills: [
      { at: ["lease.taken", "repair.staged", "repair.aside"], after: 1, inTurn: true },
      { at: ["repair.replaced", "lease.cleared"], after: 0 },
    ],
    again: () => 0,
  },
  {
    title: "the repair of a member of a pack",
    async prepare(here) {
      await run(here);
      harm(here, ".tar", flip);
    },
    call: REPAIR,
    seen,
    isDamaged: true,
    kills: [
      { at: ["repair.staged", "repair.placed"], after: 1, inTurn: true },
      { at: ["repair.told"], after: 0 },
    ],
    again: () => 0,
  },
  {
    title: "the repair of a pack that was cut",
    async prepare(here) {
      await run(here);
      harm(here, ".tar", (path) => truncateSync(path, 2000));
    },
    call: REPAIR,
    seen,
    isDamaged: true,
    kills: [
      { at: ["pack.written", "pack.flushed", "repair.pack-placed"], after: 1, inTurn: true },
      // the directory's list is back, and only with it the files that it names
      { at: ["repair.pack-told"], after: 1 },
      { at: ["repair.pack-told@2"], after: 0 },
    ],
    again: () => 0,
  },
  {
    title: "the repair of an index",
    async prepare(here) {
      await run(here);
      spoilIndex(here);
    },
    call: REPAIR,
    seen,
    isDamaged: true,
    kills: [{ at: ["repair.indexed"], after: 0 }],
    again: () => 0,
  },
  {
    title: "the repair of a file that others could write to, and of another",
    async prepare(here) {
      await run(here);
      await did(here, "log", here.write("w.weights", "w".repeat(200_000)), "--name", "weights", "--type", "model");
      harm(here, ".weights", () => undefined, 0o666);
      harm(here, ".bin", (path) => truncateSync(path, 100));
    },
    call: REPAIR,
    seen,
    isDamaged: true,
    kills: [{ at: ["repair.closed"], after: 1 }],
    again: () => 0,
  },
  {
    title: "a rebuild of a lost database",
    async prepare(here) {
      await run(here);
      lose(here);
    },
    call: ["rebuild"],
    seen: refs,
    isDamaged: true,
    kills: [
      { at: ["rebuild.filled", "rebuild.finished"], after: [], inTurn: true },
      { at: ["rebuild.replaced"], after: ["dir@v1", "model@v1"] },
    ],
    exit: (after) => ((after as string[]).length > 0 ? 5 : 0),
    again: () => ["dir@v1", "model@v1"],
  },
  {
    title: "a rebuild of a whole database",
    prepare: run,
    call: ["rebuild", "--force"],
    // without a database, the old one has to be there under its new name
    seen: async (here) =>
      existsSync(join(here.root, "coffer.db")) ? await refs(here) : readdirSync(here.root).some((name) => /^coffer\.db\.\d/.test(name)),
    isDamaged: true,
    kills: [
      { at: ["rebuild.filled", "rebuild.finished", "rebuild.linked", "rebuild.replaced"], after: ["dir@v1", "model@v1"] },
      { at: ["rebuild.unlinked"], after: true },
    ],
    again: () => ["dir@v1", "model@v1"],
  },
];
