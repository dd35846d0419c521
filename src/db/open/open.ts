import { Database, constants } from "bun:sqlite";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { REPLACE_DATABASE } from "../../domain/damaged-database.ts";
import { CofferError, errno } from "../../domain/error.ts";
import { foreign, newer, unusable, unwritten } from "./cannot-open.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { APPLICATION_ID, MIGRATIONS } from "./migrations.ts";

const SLICE_MS = 1000;
const PATIENCE_MS = 60_000;

/** What to do with the words that a long wait calls for. */
export type Say = (words: string) => void;

/**
 * Opens the database, or makes it. Its version is read before SQLite may change a byte of it.
 * @throws CofferError STORE_NEWER, STORE_DAMAGED, STORE_UNUSABLE, STORE_BUSY
 */
export function openDatabase(path: string, options: { make: boolean; say: Say }): Database {
  // opened for writing, or refused here: SQLite would take a file that cannot be written for one that is only read
  const version = versionOnDisk(path, "r+");
  if (version !== undefined && version > MIGRATIONS.length) throw newer(version);
  if (version === undefined && !options.make)
    throw new CofferError("NOT_FOUND", `there is no store at ${path}`, {
      hint: "name another --root, or keep something with coffer run or coffer log",
    });
  let db: Database;
  try {
    db = new Database(path, { readwrite: true, create: options.make, strict: true });
  } catch (error) {
    throw unusable(path, error);
  }
  try {
    // the timeout comes first: switching to WAL fails at once while another process does the same
    db.run(`PRAGMA busy_timeout = ${SLICE_MS}`);
    db.run("PRAGMA foreign_keys = ON");
    if (version === undefined && patiently(() => isForeign(db), options.say)) throw foreign(path);
    if (version !== MIGRATIONS.length) {
      patiently(() => db.run("PRAGMA journal_mode = WAL"), options.say);
      syncPoint("database.made");
      migrate(db, options.say);
    }
    db.run("PRAGMA synchronous = FULL");
    return db;
  } catch (error) {
    db.close();
    if (error instanceof CofferError) throw error;
    throw unusable(path, error);
  }
}

/** Work of one transaction. A promise would be committed at its first await, and what follows would be on its own. */
export type Work<T> = (() => T) & ([Extract<T, PromiseLike<unknown>>] extends [never] ? unknown : never);

/**
 * Runs `work` in a write transaction: all of it or nothing. A promise is refused, and nothing of it is kept.
 * While others write, it waits, says so once, and gives up after a minute.
 * @throws CofferError STORE_BUSY
 */
export function writing<T>(db: Database, say: Say, work: Work<T>): T {
  if (db.inTransaction) return settled(work());
  patiently(() => db.run("BEGIN IMMEDIATE"), say);
  try {
    syncPoint("transaction.begun");
    const result = settled(work());
    syncPoint("transaction.done");
    db.run("COMMIT");
    syncPoint("transaction.committed");
    return result;
  } catch (error) {
    if (db.inTransaction) db.run("ROLLBACK");
    throw unwritten(db.filename, error) ?? error;
  }
}

/** Runs `work` in a read transaction: all that it reads is of one moment, and many look-ups take the lock once. */
export function reading<T>(db: Database, work: Work<T>): T {
  return db.transaction(() => settled(work()))();
}

/** What `work` commits may be lost with the machine, though never torn: worth it where a lost machine makes it void anyway. */
export function unflushed<T>(db: Database, work: Work<T>): T {
  db.run("PRAGMA synchronous = NORMAL");
  try {
    return settled(work());
  } finally {
    db.run("PRAGMA synchronous = FULL");
  }
}

/** The same for work that waits in between: nothing that has to last may be committed beside it. */
export async function unflushedWhile<T>(db: Database, work: () => Promise<T>): Promise<T> {
  db.run("PRAGMA synchronous = NORMAL");
  try {
    return await work();
  } finally {
    db.run("PRAGMA synchronous = FULL");
  }
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

function patiently<T>(attempt: () => T, say: Say): T {
  const began = performance.now();
  let said = false;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!errno(error)?.startsWith("SQLITE_BUSY")) throw error;
      if (performance.now() - began > PATIENCE_MS)
        throw new CofferError("STORE_BUSY", "another process has been writing to this store for a minute", {
          hint: "see with coffer runs or your process list what is at work, then try again; nothing was changed",
          cause: error,
        });
      if (!said) say("waiting for another process that writes to this store");
      said = true;
    }
  }
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
export function versionOnDisk(path: string, flags: "r" | "r+" = "r"): number | undefined {
  const header = Buffer.alloc(100);
  let read: number;
  try {
    const fd = openSync(path, flags);
    try {
      read = readSync(fd, header, 0, 100, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw unusable(path, error);
  }
  const hasWal = walSize(path) > 0;
  if (read === 0 && !hasWal) return undefined;
  if (read < 100 || header.toString("latin1", 0, 16) !== "SQLite format 3\0")
    throw new CofferError("STORE_DAMAGED", `${path} is not a coffer database`, {
      hint: `${REPLACE_DATABASE}, or open another --root; it was not touched`,
    });
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
      throw unusable(path, error);
    }
  }
  // somebody makes the store at this moment, or was killed while doing so; whether it is that is asked before anything is changed
  if (version === 0) return undefined;
  if (application !== APPLICATION_ID) throw foreign(path);
  return version;
}

/** Tables without a version: ours come together, in one transaction. */
function isForeign(db: Database): boolean {
  const { version, isFilled } = db
    .query("SELECT (SELECT user_version FROM pragma_user_version) AS version, EXISTS (SELECT 1 FROM sqlite_schema) AS isFilled")
    .get() as { version: number; isFilled: number };
  return version === 0 && isFilled === 1;
}

function walSize(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
