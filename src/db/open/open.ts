import { Database, constants } from "bun:sqlite";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { REPLACE_DATABASE } from "../../domain/damaged-database.ts";
import { CofferError, errno } from "../../domain/error.ts";
import { foreign, newer, unusable, unwritten } from "./cannot-open.ts";
import type { JournalMode } from "../../domain/file-system.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { beginLog, flush, lacksSharedMemory, leaveLog, makeDurable, modeAt, readAlone, waitingAtMost } from "./journal-mode.ts";
import type { WantedJournal } from "./journal-mode.ts";
import { APPLICATION_ID, MIGRATIONS } from "./migrations.ts";
import { limitOf, limitWaits, patiently, SLICE_MS } from "../wait/patience.ts";
import type { Say } from "../wait/patience.ts";

export interface OpenOptions {
  /** Where there is none. */
  make: boolean;
  say: Say;
  /** auto: a write-ahead log where the file system can have one; a database that has a rollback journal keeps it. */
  journal?: WantedJournal;
  /** Whoever finds it busy gives up after so many milliseconds. */
  limit?: number;
  /** Of the file system, as statfs(2) says it, where that was asked already. */
  fileSystem?: number;
}

/**
 * Opens the database, or makes it. Its version is read before SQLite may change a byte of it.
 * @throws CofferError STORE_NEWER, STORE_DAMAGED, STORE_UNUSABLE, STORE_BUSY
 */
export function openDatabase(path: string, options: OpenOptions): Database {
  // opened for writing, or refused here: SQLite would take a file that cannot be written for one that is only read
  const { version: seen, hasLog, hasJournal } = lookAt(path, "r+");
  if (seen !== undefined && seen > MIGRATIONS.length) throw newer(seen);
  if (seen === undefined && !options.make) throw noStore(path);
  let db: Database;
  let mode: JournalMode;
  try {
    mode = modeAt(path, options.journal ?? "auto", options.fileSystem);
    db = new Database(path, { readwrite: true, create: options.make, strict: true });
  } catch (error) {
    throw unusable(path, error);
  }
  try {
    // the timeout comes first: switching to WAL fails at once while another process does the same
    db.run(`PRAGMA busy_timeout = ${SLICE_MS}`);
    if (options.limit !== undefined) limitWaits(db, options.limit);
    db.run("PRAGMA foreign_keys = ON");
    const mustLeave = hasLog && mode === "rollback";
    if (mustLeave) readAlone(db);
    // what the header says may be of a transaction that a crash cut off, and that SQLite takes back when it first reads
    const version = hasJournal ? patiently(db, () => versionIn(db), options.say) : seen;
    if (version === undefined && !options.make) throw noStore(path);
    if (version === undefined && patiently(db, () => isForeign(db), options.say)) throw foreign(path);
    if (mustLeave) patiently(db, () => leaveLog(db), options.say);
    else if (mode === "wal" && !hasLog) mode = beginLog(db, { isNew: version === undefined, wanted: options.journal, say: options.say });
    if (version !== MIGRATIONS.length) {
      syncPoint("database.made");
      migrate(db, options.say);
    }
    makeDurable(db, mode, limitOf(db));
    return db;
  } catch (error) {
    db.close();
    // a directory that looked like one of this machine: what it lacks shows now
    if (lacksSharedMemory(error) && mode === "wal" && options.journal !== "wal")
      return openDatabase(path, { ...options, journal: "rollback" });
    if (error instanceof CofferError) throw error;
    throw unusable(path, error);
  }
}

/** Work of one transaction. A promise would be committed at its first await, and what follows would be on its own. */
export type Work<T> = (() => T) & ([Extract<T, PromiseLike<unknown>>] extends [never] ? unknown : never);

/**
 * Runs `work` in a write transaction: all of it or nothing. A promise is refused, and nothing of it is kept.
 * While others write, it waits, says so, and gives up after the connection's limit.
 * @throws CofferError STORE_BUSY, STORE_UNUSABLE; where `isUncertain` says so of it, the work may stand all the same
 */
export function writing<T>(db: Database, say: Say, work: Work<T>): T {
  if (db.inTransaction) return settled(work());
  waitingAtMost(db, SLICE_MS, () => patiently(db, () => db.run("BEGIN IMMEDIATE"), say));
  let isEnding = false;
  try {
    syncPoint("transaction.begun");
    const result = settled(work());
    syncPoint("transaction.done");
    isEnding = true;
    // with a rollback journal it waits for those who read, and can be tried again as long as it is busy
    waitingAtMost(db, SLICE_MS, () => patiently(db, () => db.run("COMMIT"), say, "readers"));
    syncPoint("transaction.committed");
    return result;
  } catch (error) {
    takeBack(db);
    throw unwritten(db.filename, error, { isEnding }) ?? error;
  }
}

function takeBack(db: Database): void {
  try {
    if (db.inTransaction) db.run("ROLLBACK");
  } catch {
    // SQLite takes it back when the database is opened next; what is told is why it came to this
  }
}

/** Runs `work` in a read transaction: all that it reads is of one moment, and many look-ups take the lock once. */
export function reading<T>(db: Database, work: Work<T>): T {
  return db.transaction(() => settled(work()))();
}

/** What `work` commits may be lost with the machine, though never torn: worth it where a lost machine makes it void anyway. */
export function unflushed<T>(db: Database, work: Work<T>): T {
  flush(db, false);
  try {
    return settled(work());
  } finally {
    flush(db, true);
  }
}

/** The same for work that waits in between: nothing that has to last may be committed beside it. */
export async function unflushedWhile<T>(db: Database, work: () => Promise<T>): Promise<T> {
  flush(db, false);
  try {
    return await work();
  } finally {
    flush(db, true);
  }
}

/** Tables of a plan would go to a file of their own when they grow, and the disk of that may be the full one. */
export function keepTablesInMemory(db: Database): void {
  db.run("PRAGMA temp_store = MEMORY");
}

const LATER = 8192; // pages

/**
 * What a large transaction leaves in the write-ahead log stays there until the database is closed, when the log is moved into it anyway: to do so at the commit, as SQLite does from a thousand
 * pages on, would be to flush both twice.
 */
export function leaveLogForLater(db: Database): void {
  db.run(`PRAGMA wal_autocheckpoint = ${LATER}`);
}

/** Closes it; the last one out moves the write-ahead log into the database. */
export function closeDatabase(db: Database): void {
  db.close(false);
}

function settled<T>(result: T): T {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function")
    throw new Error("the work of a transaction must not be asynchronous");
  return result;
}

function migrate(db: Database, say: Say): void {
  writing(db, say, () => {
    // another process may have done it while we waited
    const done = (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
    if (done > MIGRATIONS.length)
      throw new CofferError("STORE_NEWER", "this store was just taken over by a newer coffer", { hint: "upgrade coffer" });
    for (const migration of MIGRATIONS.slice(done)) db.run(migration);
    db.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
    db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    syncPoint("database.migrating");
  });
  syncPoint("database.migrated");
}

/**
 * The `user_version` without touching the file, undefined where there is no database (or an empty file, which SQLite takes for one).
 * The header is stale while a write-ahead log holds frames; a read-only connection then reads both and changes neither.
 * @throws CofferError STORE_DAMAGED where it is none of ours, STORE_UNUSABLE
 */
export function versionOnDisk(path: string): number | undefined {
  return lookAt(path, "r").version;
}

interface Look {
  version: number | undefined;
  /** A write-ahead log is how it keeps transactions. */
  hasLog: boolean;
  /** A transaction goes on with a rollback journal, or was cut off. */
  hasJournal: boolean;
}

/** The same, and what lies beside the database. */
function lookAt(path: string, flags: "r" | "r+"): Look {
  const header = Buffer.alloc(100);
  let read: number;
  try {
    const fd = openSync(path, flags);
    try {
      read = readHeader(fd, header);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errno(error) === "ENOENT") return { version: undefined, hasLog: false, hasJournal: false };
    throw unusable(path, error);
  }
  const hasWal = sizeOf(`${path}-wal`) > 0;
  const hasJournal = sizeOf(`${path}-journal`) > 0;
  // zeros: the machine stopped while the first bytes were written
  if ((read === 0 && !hasWal) || (hasJournal && header.every((byte) => byte === 0)))
    return { version: undefined, hasLog: false, hasJournal };
  if (read < 100 || header.toString("latin1", 0, 16) !== "SQLite format 3\0")
    throw new CofferError("STORE_DAMAGED", `${path} is not a coffer database`, {
      hint: `${REPLACE_DATABASE}, or open another --root; it was not touched`,
    });
  const hasLog = header[18] === 2;
  let version = header.readInt32BE(60);
  let application = header.readInt32BE(68);
  if (hasWal) {
    try {
      using db = new Database(path, constants.SQLITE_OPEN_READONLY);
      db.run(`PRAGMA busy_timeout = ${SLICE_MS}`);
      // all of it as it was at one moment: another process may be making the store
      db.run("BEGIN");
      version = (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
      application = (db.query("PRAGMA application_id").get() as { application_id: number }).application_id;
      db.run("COMMIT");
    } catch (error) {
      // nobody can read the log here, and it is about to be moved into the database: the header has to do
      if (!lacksSharedMemory(error)) throw unusable(path, error);
    }
  }
  // somebody makes the store at this moment, or was killed while doing so; whether it is that is asked before anything is changed
  if (version === 0) return { version: undefined, hasLog, hasJournal };
  if (application !== APPLICATION_ID) throw foreign(path);
  return { version, hasLog, hasJournal };
}

/** read(2) may give less than it was asked for. Returns how much there is. */
function readHeader(fd: number, header: Buffer): number {
  for (let at = 0; at < header.length;) {
    const read = readSync(fd, header, at, header.length - at, at);
    if (read === 0) return at;
    at += read;
  }
  return header.length;
}

/** Undefined where there are none of our tables. */
function versionIn(db: Database): number | undefined {
  return (db.query("PRAGMA user_version").get() as { user_version: number }).user_version || undefined;
}

function noStore(path: string): CofferError {
  return new CofferError("NOT_FOUND", `there is no store at ${path}`, {
    hint: "name another --root, or keep something with coffer run or coffer log",
  });
}

/** Tables without a version: ours come together, in one transaction. */
function isForeign(db: Database): boolean {
  const { version, isFilled } = db
    .query("SELECT (SELECT user_version FROM pragma_user_version) AS version, EXISTS (SELECT 1 FROM sqlite_schema) AS isFilled")
    .get() as { version: number; isFilled: number };
  return version === 0 && isFilled === 1;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
