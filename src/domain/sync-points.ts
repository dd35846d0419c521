import { existsSync, renameSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { closest } from "./closest.ts";
import { CofferError } from "./error.ts";
import { atSyncPoints, SYNC_POINTS_VARIABLE } from "./sync-point.ts";

/** Every point, by what has just become true when it is reached. `tests/crash` kills a process at each of them. */
export const SYNC_POINTS = {
  // every command
  "database.made": "the database's file is there, and has no tables",
  "database.migrating": "all tables are made, and nothing is committed",
  "database.migrated": "the tables are committed, and the store has no id yet",
  "transaction.begun": "the write lock is ours",
  "transaction.done": "all rows of a transaction are written, and nothing is committed",
  "transaction.committed": "a transaction is committed",
  "journal.written": "lines of the journal are in its file, and not flushed",
  "journal.flushed": "they are flushed, and still wait in their table",
  "replace.written": "a file that is to replace another is flushed, beside it",
  "replace.renamed": "it has taken the other's place, and the directory is not flushed",
  "rename.linked": "a file has its lasting name beside its first one",
  "rename.unlinked": "it has only its lasting name, and the directory is not flushed",
  "lease.taken": "a lease is committed",
  "lease.cleared": "the staging of a lease is gone, and its row is there",
  "pack.written": "a new pack is written to its end, and not flushed",
  "pack.flushed": "a new pack is flushed, under its first name",

  // what is kept
  "ingest.begun": "the staging directory is there",
  "ingest.asked": "the database was asked whether it has these bytes",
  "ingest.moved-in": "a scratch workspace's file has a second name in the staging",
  "ingest.copied": "a file's bytes are in the staging, and not flushed",
  "ingest.staged": "all bytes are in the staging, flushed",
  "ingest.placed-one": "one file has its lasting name",
  "ingest.pack-placed": "the pack has its lasting name",
  "ingest.placed": "all have their lasting names, flushed; no row names them",
  "ingest.admitted": "the rows of blobs are written, and not committed",
  "ingest.recorded": "all rows are written, and not committed",
  "ingest.committed": "all rows are committed",
  "ingest.vanished": "what the store had was taken by a sweep: all begins anew",
  "ingest.closed": "files that were moved in are read-only, and their rows do not know it",

  // a run
  "run.begun": "run and lease are committed; there is no workspace",
  "run.workspace-made": "the workspace is there",
  "run.prepared": "log and code state are ready; the command has not begun",
  "run.started": "the command has begun, and nothing says so",
  "run.start-recorded": "the command's process is in the lease",
  "ahead.asked": "a process of ours was asked to read a file while the command still runs",
  "ahead.read": "it has read it; a copy is in the staging, flushed",
  "ahead.ended": "the command has ended, and nothing is read ahead any more",
  "run.ended": "the command has ended, and its log is closed",
  "run.outputs-found": "the outputs are listed, and nothing is stored",
  "run.outputs-registered": "names and versions are given, and not committed",
  "run.committed": "outputs and end are committed",
  "run.tidied": "the staging of a run that has ended is gone",
  "run.unstored": "the outputs could not be stored, and what was staged of them is gone",
  "run.unstored-recorded": "the end of a run without its outputs is committed; its log lies in the staging",
  "run.workspace-discarded": "the command could not be started, and the workspace is gone",
  "manifest.written": "a manifest is in its place, and its run does not know it",
  "scratch.begun": "nothing of the workspace is removed yet",
  "scratch.removed-one": "one entry of the workspace is gone",
  "scratch.emptied": "all that goes of the workspace is gone",
  "scratch.copied": "what somebody has open has a copy in the staging, flushed",
  "scratch.replaced": "the copy has the blob's place, and nothing is committed",
  "scratch.settled": "no blob shares its bytes with the workspace; the run does not know it",
  "adopt.claimed": "a dead run's lease is ours",
  "adopt.discarded": "what the dead wrapper had staged is gone",
  "adopt.committed": "the run's end is committed; its log lies in the staging",
  "removal.unlinked": "a name that a half-removed workspace shared with a blob is gone",
  "removal.settled": "no blob shares its bytes with it; the run does not know it",

  // gc
  "gc.begun": "the sweep has its lease and its staging",
  "gc.buried": "a batch of artifacts is condemned, and their blobs with them; committed",
  "gc.trashing": "a batch of blobs is marked as trashed, and not committed",
  "gc.trashed": "a batch of blobs is marked as trashed; committed",
  "gc.moved-away": "a file has only a name in the sweep's staging, and nothing is committed",
  "gc.forgotten": "the rows of a batch of blobs are gone, and nothing is committed",
  "gc.unlinking": "the rows of a file are gone; its bytes are in the sweep's staging",
  "gc.unlinked": "the bytes of a file are gone",
  "gc.repacking": "a pack that nobody reads from is about to be written anew; nothing of it is open",
  "gc.repack-placed": "a pack that was written anew has its lasting name; no row names it",
  "gc.repacked": "rows name the new pack; the old one is there without a member",
  "gc.rehouse-named": "a blob has a second name among those of another dataset; its row has the first",
  "gc.rehoused": "the row has the second name; the first one is there",
  "gc.staging-removed": "the staging of a dead process is gone",
  "gc.workspace-removed": "a workspace is gone, and its run does not know it",
  "gc.done": "all is done; the sweep has its lease still",

  // what is handed out
  "get.held": "the reader's lease holds the blob, and nobody has looked for its bytes",
  "cache.reserved": "the cache has a row for a copy that is not there",
  "cache.copied": "the copy is made, in the staging",
  "cache.placed": "the copy has its place, and its row is not committed",
  "cache.entered": "the copy and its row are there",
  "cache.taken": "a copy is out of its place, and its row is still committed",
  "cache.evicted": "the row of a copy is gone; its bytes are in the staging",
  "place.written": "what is written to a new place is complete, beside it",
  "place.taken": "it has its place",

  // what a damaged or lost store needs
  "repair.staged": "a good copy is in the staging, flushed",
  "repair.aside": "what was damaged has a second name below damaged/",
  "repair.replaced": "the good copy has its place, and nothing is committed",
  "repair.placed": "the good copy has a new place, and no row names it",
  "repair.told": "rows name the good copy",
  "repair.pack-placed": "a pack of good copies has its lasting name; no row names it",
  "repair.pack-told": "rows name the new pack; the old one is there without a row",
  "repair.indexed": "the indexes of the database are made anew",
  "repair.closed": "a file that others could write to is read-only, and its row does not know it",
  "rebuild.filled": "the new database has all its rows, and nothing is committed",
  "rebuild.finished": "the new database is complete and flushed, beside the old one",
  "rebuild.linked": "the old database has its new name beside the old one",
  "rebuild.unlinked": "the old database has only its new name; there is none in its place",
  "rebuild.replaced": "the new database has its place; runs that were left are open",
  "import.taken": "bytes of an import are in the store, held by a lease; no record names them",
  "import.recorded": "all records of an import are written, and not committed",
  "import.committed": "an import is committed",
  "backup.copied": "the database is copied; bytes are not",
  "backup.filled": "all of a backup is there, beside its place, and not flushed",
  "mark.written": "rm, restore or a mark is written, and not committed",

  // delivery: in order
  "sync.claimed": "the sync has its lease on the run",
  "sync.run-asked": "a request that makes the run goes out now",
  "sync.run-made": "the server has the run, and nothing says so",
  "sync.params-sent": "the server has the params, and nothing says so",
  "sync.tags-sent": "the server has the tags, and nothing says so",
  "sync.metrics-sent": "the server has a batch of metrics, and nothing says so",
  "sync.metrics-noted": "a batch of metrics is noted",
  "sync.inputs-sent": "the server has the inputs, and nothing says so",
  "sync.file-placed": "a file has a name beside its place on the server's disk",
  "sync.file-sent": "the server has a file, and nothing says so",
  "sync.files-settled": "all files of an artifact are settled",
  "sync.upload-begun": "an upload in parts is begun, and nothing says so",
  "sync.part-sent": "the server has a part, and nothing says so",
  "sync.part-noted": "a part is noted",
  "sync.upload-completed": "the parts are put together, and nothing says so",
  "sync.model-made": "the server has a model, and nothing says so",
  "sync.model-finished": "the server has a model's files, and calls it ready",
  "sync.models-named": "the run names its models, and nothing says so",
  "sync.end-sent": "the server has the run's end, and nothing says so",
  "sync.step-settled": "a step is settled",
  "sync.read-back": "the run was read back, and nothing says so",
  "sync.settled": "the run counts as synced",
} as const;

export type SyncPoint = keyof typeof SYNC_POINTS;

type Act = { does: "kill" } | { does: "hold"; file: string };

const HOLD_MS = 120_000;
const LOOK_MS = 2;

/**
 * Says what happens at which points: a list, separated by commas, of `NAME=kill` (this process ends as by SIGKILL) and `NAME=hold:FILE` (it makes `FILE.reached`, and
 * stands still until there is a FILE, two minutes at most); `NAME@3=…` is the third time that it comes there, by default the first.
 * @throws CofferError USAGE
 */
export function armSyncPoints(text: string): void {
  const armed = new Map<string, Act>();
  for (const entry of text.split(",")) {
    const { point, nth, act } = parseEntry(entry.trim());
    const key = `${point}@${nth}`;
    if (armed.has(key)) throw misuse(`${key} is armed twice`);
    armed.set(key, act);
  }
  const passes = new Map<SyncPoint, number>();
  atSyncPoints((point) => {
    const pass = (passes.get(point) ?? 0) + 1;
    passes.set(point, pass);
    const act = armed.get(`${point}@${pass}`);
    if (act?.does === "kill") process.kill(process.pid, "SIGKILL");
    else if (act) hold(point, act.file);
  });
}

function parseEntry(entry: string): { point: SyncPoint; nth: number; act: Act } {
  const [, name = "", nth = "1", how = ""] = /^([a-z.-]+)(?:@([1-9][0-9]{0,8}))?=(.+)$/s.exec(entry) ?? [];
  if (name === "") throw misuse(`“${entry}” is not NAME=kill, NAME@3=kill or NAME=hold:FILE`);
  if (!isSyncPoint(name)) {
    const near = closest(name, Object.keys(SYNC_POINTS));
    throw misuse(`there is no point “${name}”${near === undefined ? "" : `; is ${near} meant?`}`);
  }
  if (how === "kill") return { point: name, nth: Number(nth), act: { does: "kill" } };
  if (how.length > "hold:".length && how.startsWith("hold:"))
    return { point: name, nth: Number(nth), act: { does: "hold", file: resolve(how.slice("hold:".length)) } };
  throw misuse(`“${how}” is neither kill nor hold:FILE`);
}

function isSyncPoint(name: string): name is SyncPoint {
  return Object.hasOwn(SYNC_POINTS, name);
}

function misuse(why: string): CofferError {
  return new CofferError("USAGE", `${SYNC_POINTS_VARIABLE}: ${why}`, {
    hint: "it is for tests of coffer itself (CONTRIBUTING.md): unset it",
  });
}

/** Synchronous: nothing else of this process goes on meanwhile, and a transaction stays open. */
function hold(point: SyncPoint, file: string): void {
  // by a rename: who sees it sees the number in it
  writeFileSync(`${file}.reaching`, `${process.pid}\n`);
  renameSync(`${file}.reaching`, `${file}.reached`);
  const until = performance.now() + HOLD_MS;
  while (!existsSync(file)) {
    if (performance.now() > until) throw new Error(`held at ${point}, and nobody made ${file}`);
    Bun.sleepSync(LOOK_MS);
  }
}
