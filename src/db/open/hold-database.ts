import { Database, constants } from "bun:sqlite";
import { existsSync, statSync, unlinkSync } from "node:fs";
import { CofferError, errno, isMalformed, reason } from "../../domain/error.ts";
import * as integrity from "../check/integrity.ts";
import { rowFaults } from "../check/row-faults.ts";
import * as journal from "../records/journal.ts";
import * as leases from "../bytes/leases.ts";
import type { LeaseRow } from "../bytes/leases.ts";
import * as runs from "../records/runs.ts";

/**
 * Takes a file as a lock that dies with its process, and goes with `dispose`: an empty database in an exclusive transaction. Undefined where another process
 * has it.
 */
export function takeLock(path: string): Disposable | undefined {
  const db = new Database(path, { readwrite: true, create: true });
  try {
    const opened = inodeOf(path);
    db.run("PRAGMA busy_timeout = 0");
    db.run("BEGIN EXCLUSIVE");
    // whoever had it before may have taken the file away since it was opened
    if (opened === undefined || inodeOf(path) !== opened) throw Object.assign(new Error("it is gone"), { code: "SQLITE_BUSY" });
  } catch (error) {
    db.close(false);
    if (errno(error)?.startsWith("SQLITE_BUSY")) return undefined;
    throw error;
  }
  return {
    [Symbol.dispose]() {
      unlinkSync(path);
      db.close(false);
    },
  };
}

/** What keeps others from writing to a database: they wait. */
export interface Held extends Disposable {
  /** Of those who have something to write. */
  leases: LeaseRow[];
  /** A manifest or a line of the journal is still to be written: nothing beside the database tells of it yet. */
  owes: boolean;
}

/**
 * Keeps others from writing to a database as long as it can be locked at all. Undefined where it cannot, since it is damaged.
 * @throws CofferError STORE_BUSY
 */
export function holdWriters(path: string): Held | undefined {
  let db: Database | undefined;
  try {
    db = new Database(path, { readwrite: true, create: false });
    db.run("PRAGMA busy_timeout = 5000");
    // what stands in the log stays there: the file is to be set aside as it is
    db.run("PRAGMA wal_autocheckpoint = 0");
    db.run("BEGIN IMMEDIATE");
    const held = db;
    return { ...readState(held), [Symbol.dispose]: () => held.close(false) };
  } catch (error) {
    db?.close(false);
    if (errno(error)?.startsWith("SQLITE_BUSY"))
      throw new CofferError("STORE_BUSY", "another process writes to this store just now", {
        hint: "wait until it is done; nothing was changed",
        cause: error,
      });
    if (errno(error) === undefined) throw error;
    return undefined;
  }
}

function readState(db: Database): Omit<Held, keyof Disposable> {
  try {
    return { leases: leases.all(db), owes: journal.isPending(db) || runs.manifestDue(db).some(({ state }) => state !== "running") };
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return { leases: [], owes: false };
  }
}

/** What is wrong with a database file, undefined where nothing is. Reads all of it, and changes nothing. */
export function faultOf(path: string): string | undefined {
  const before = stampAtRest(path);
  if (before !== undefined) {
    // SQLite would leave a log and its index beside it, or fail where it cannot
    const fault = faultIn(`${Bun.pathToFileURL(path).href}?immutable=1`, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
    if (stampAtRest(path) === before) return fault;
  }
  return faultIn(path, constants.SQLITE_OPEN_READONLY);
}

/** Of a database that nobody has open, and that no crash left anything beside. */
function stampAtRest(path: string): string | undefined {
  if (["-wal", "-shm", "-journal"].some((end) => existsSync(path + end))) return undefined;
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && [stat.dev, stat.ino, stat.size, stat.mtimeNs].join(" ");
}

function faultIn(file: string, flags: number): string | undefined {
  try {
    using db = new Database(file, flags);
    db.run("PRAGMA busy_timeout = 5000");
    const [fault] = integrity.faults(db);
    if (fault !== undefined) return fault.trim().replaceAll("\n", "; ");
    return rowFaults(db)[0];
  } catch (error) {
    if (isMalformed(error) || errno(error) === "SQLITE_ERROR") return reason(error);
    throw error;
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
