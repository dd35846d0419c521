import type { Database } from "bun:sqlite";
import { closeSync, fsyncSync, openSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { isBusy } from "../wait/busy-database.ts";
import { errno } from "../../domain/error.ts";
import { fileSystemOf, journalFor } from "../../domain/file-system.ts";
import type { JournalMode } from "../../domain/file-system.ts";
import { limitOf, patiently } from "../wait/patience.ts";
import type { Say } from "../wait/patience.ts";

/** Chosen by the file system, or by a person. */
export type WantedJournal = "auto" | JournalMode;

/** What a new database in this file's directory gets, and the most that one that is there already may have. `type`: of the file system, where it is known. */
export function modeAt(path: string, wanted: WantedJournal, type?: number): JournalMode {
  return wanted === "auto" ? journalFor(fileSystemOf(dirname(path), type)) : wanted;
}

/** How the file is kept, by its header. */
export function modeOf(db: Database): JournalMode {
  return (db.query("PRAGMA journal_mode").get() as { journal_mode: string }).journal_mode === "wal" ? "wal" : "rollback";
}

/**
 * Of a database with a write-ahead log that must not have one here: from now on nobody else gets in, so that SQLite keeps the log's index to itself and needs no
 * shared memory. Before anything is read.
 */
export function readAlone(db: Database): void {
  db.run("PRAGMA locking_mode = EXCLUSIVE");
}

/** A new database, and one that a person wants to have it, gets a write-ahead log; any other stays as it was made. */
export function beginLog(
  db: Database,
  { isNew, wanted, say }: { isNew: boolean; wanted: WantedJournal | undefined; say: Say },
): JournalMode {
  if (!isNew && wanted !== "wal") return "rollback";
  if (isNew) patiently(db, () => db.run("PRAGMA journal_mode = WAL"), say);
  else tryLog(db);
  return modeOf(db);
}

/** Where others have it open, it stays as it is until they have ended. */
function tryLog(db: Database): void {
  try {
    db.run("PRAGMA journal_mode = WAL");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

/** Moves the log into the database and goes on with a rollback journal. After `readAlone`; others get in again. */
export function leaveLog(db: Database): void {
  db.run("PRAGMA journal_mode = DELETE");
  db.run("PRAGMA locking_mode = NORMAL");
  // the lock goes with the next look
  db.query("SELECT count(*) FROM sqlite_schema").get();
}

/** Whether a write-ahead log fails for want of memory that processes share. On a full disk its file cannot grow (SHMSIZE): that passes. */
export function lacksSharedMemory(error: unknown): boolean {
  const code = errno(error) ?? "";
  return code.startsWith("SQLITE_IOERR_SHM") && code !== "SQLITE_IOERR_SHMSIZE";
}

const withRollback = new WeakSet<Database>();
/** Those whose commits are not flushed for a while. */
const lax = new WeakSet<Database>();

/**
 * What is committed lasts: with a write-ahead log each commit is flushed, with a rollback journal its directory too, since it is the end of the journal that commits.
 * Then readers wait for writers, in SQLite and without a word: `limit` milliseconds.
 */
export function makeDurable(db: Database, mode: JournalMode, limit: number): void {
  if (mode === "rollback") {
    withRollback.add(db);
    db.run(`PRAGMA busy_timeout = ${limit}`);
  }
  flush(db, true);
}

/** `isFull` false: commits are not flushed. With a rollback journal they always are: without, a machine that stops could tear the database. */
export function flush(db: Database, isFull: boolean): void {
  if (isFull) lax.delete(db);
  else lax.add(db);
  db.run(`PRAGMA synchronous = ${withRollback.has(db) ? "EXTRA" : isFull ? "FULL" : "NORMAL"}`);
}

/** What was committed and not flushed reaches the disk: before something that tells of it does. `byOthers`: so may be what other processes committed. */
export function flushCommitted(db: Database, byOthers: boolean): void {
  if (withRollback.has(db) || !(byOthers || lax.has(db))) return;
  let fd: number;
  try {
    fd = openSync(`${realpathSync(db.filename)}-wal`, "r");
  } catch (error) {
    // there is none where the database has a rollback journal, which is always flushed
    if (errno(error) !== "ENOENT") throw error;
    return;
  }
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Calls `attempt` in such a way that SQLite waits `slice` milliseconds at most, as it does anyway with a write-ahead log. */
export function waitingAtMost<T>(db: Database, slice: number, attempt: () => T): T {
  if (!withRollback.has(db)) return attempt();
  db.run(`PRAGMA busy_timeout = ${Math.min(slice, limitOf(db))}`);
  try {
    return attempt();
  } finally {
    db.run(`PRAGMA busy_timeout = ${limitOf(db)}`);
  }
}
