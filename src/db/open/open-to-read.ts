import { Database, constants } from "bun:sqlite";
import {
  closeSync,
  constants as fs,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { CofferError, errno } from "../../domain/error.ts";
import { requireOurs, unusable } from "./cannot-open.ts";
import { keepTablesInMemory } from "./open.ts";

/** A database that nothing is written to. */
export interface OpenedToRead {
  db: Database;
  /** Closes it. @throws CofferError STORE_BUSY where the file was written to while it was read: what was read may be of two moments */
  close(): void;
}

const PATIENCE_MS = 5000;
const TRIES = 5;
const COPY = "coffer-read-";
const STALE_MS = 3_600_000;

/**
 * Opens a database where nothing can be written: a read-only disk, a directory of somebody else, a full disk.
 *
 *  1. Where another process has it open (its `-shm` is there), or where it has a rollback journal in place of a log, SQLite reads beside others, and takes its locks.
 *  2. Where no log holds anything, the file is all there is. It is read without locks: nothing may be made beside it to hold them. Whoever begins to write
 *     meanwhile writes to a log of its own first, which this reader does not see; once that is moved into the file, the file's stamp has changed, and `close` says so.
 *     A writer on another host is noticed in the same way, as far as its file system tells the times of a file.
 *  3. A log that holds something, with no `-shm` to read it by (a copied or restored store), and what a crash left in a rollback journal, is read in a copy of
 *     both files, in the directory for temporary ones.
 *
 * @throws CofferError STORE_UNUSABLE, STORE_NEWER, STORE_DAMAGED
 */
export function openToRead(path: string): OpenedToRead {
  try {
    const left = ["-wal", "-journal"].filter((end) => sizeOf(`${path}${end}`) > 0);
    const hasLocks = existsSync(`${path}-shm`) || !hasLog(path);
    return (hasLocks && beside(path)) || (left.length === 0 ? atRest(path) : copied(path, left));
  } catch (error) {
    throw error instanceof CofferError ? error : unusable(path, error);
  }
}

function beside(path: string): OpenedToRead | undefined {
  const db = new Database(path, constants.SQLITE_OPEN_READONLY);
  try {
    return ready(path, db, () => db.close(false));
  } catch (error) {
    // what a crash left of a -shm may be too short, and cannot grow
    db.close(false);
    if (error instanceof CofferError || errno(error)?.startsWith("SQLITE_BUSY")) throw error;
    return undefined;
  }
}

function atRest(path: string): OpenedToRead {
  const before = stampOf(path);
  const db = new Database(`${Bun.pathToFileURL(path).href}?immutable=1`, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
  return ready(path, db, () => {
    db.close(false);
    if (stampOf(path) !== before)
      throw new CofferError("STORE_BUSY", "somebody wrote to this store while it was read: what was read may be of two moments", {
        hint: "run it again",
      });
  });
}

/** The names of the copy go as soon as it is open: whatever ends this process then, the system takes its bytes away. */
function copied(path: string, left: readonly string[]): OpenedToRead {
  const around = process.env["TMPDIR"] || "/tmp";
  removeLeft(around);
  const directory = mkdtempSync(join(around, COPY));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const copy = join(directory, "coffer.db");
    const ends = ["", ...left];
    const stamps = (): string => ends.map((end) => stampOf(`${path}${end}`)).join(" ");
    for (let tries = 1; ; tries++) {
      const before = stamps();
      for (const end of ends) copyFileSync(`${path}${end}`, `${copy}${end}`, fs.COPYFILE_FICLONE);
      if (stamps() === before) break;
      if (tries === TRIES)
        throw new CofferError("STORE_BUSY", "somebody writes to this store all the time", {
          hint: "wait until it is done, then try again",
        });
    }
    const db = new Database(copy, { readwrite: true, create: false, strict: true });
    // the log's index is in memory then, and no file is opened later
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    return ready(path, db, () => db.close(false));
  } finally {
    remove();
  }
}

/** A reader that was killed before its copy was open has left it. An hour is more than a copy takes. */
function removeLeft(around: string): void {
  for (const name of readdirSync(around)) {
    if (!name.startsWith(COPY)) continue;
    try {
      const path = join(around, name);
      if (Date.now() - statSync(path).mtimeMs > STALE_MS) rmSync(path, { recursive: true });
    } catch {
      // somebody else's, or gone by now
    }
  }
}

function ready(path: string, db: Database, close: () => void): OpenedToRead {
  db.run(`PRAGMA busy_timeout = ${PATIENCE_MS}`);
  db.run("PRAGMA foreign_keys = ON");
  keepTablesInMemory(db);
  requireOurs(path, db);
  return { db, close };
}

function stampOf(path: string): string {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs].join(" ");
}

/** By the header: 2 is a write-ahead log, 1 a rollback journal. SQLite says nothing of it where it reads without locks. */
export function hasLog(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const byte = Buffer.alloc(1);
    return readSync(fd, byte, 0, 1, 18) === 1 && byte[0] === 2;
  } finally {
    closeSync(fd);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
