import type { Database } from "bun:sqlite";
import { realpathSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { requireUsableType } from "../config/usable-type.ts";
import type { Settings } from "../config/settings.ts";
import * as metadata from "../db/open/metadata.ts";
import { allocateIndex, indexDanger } from "../db/open/index-blocks.ts";
import { unusable } from "../db/open/cannot-open.ts";
import { openToRead } from "../db/open/open-to-read.ts";
import { closeDatabase, keepTablesInMemory, openDatabase, writing } from "../db/open/open.ts";
import type { OpenOptions as DatabaseOptions, Work } from "../db/open/open.ts";
import { withoutWaiting } from "../db/wait/patience.ts";
import type { Say } from "../db/wait/patience.ts";
import * as journal from "../db/records/journal.ts";
import { CofferError, isFull, reason } from "../domain/error.ts";
import { replacedDatabase } from "../domain/replaced-database.ts";
import { diskFigures } from "../domain/file-system.ts";
import { checkRoot } from "./check-root.ts";
import { flushJournal } from "./database/journal-file.ts";
import { requireLocks, sayJournal } from "./require-locks.ts";
import { freeRoom, lacksReserve, layReserve, retakeReserve, spendReserve } from "./reserve.ts";

/** Rows and bytes together, under one root. */
export interface Store extends Disposable {
  /** Absolute. */
  readonly root: string;
  readonly db: Database;
  readonly settings: Settings;
  readonly say: Say;
  /** Why nothing can be written; undefined where it can. Then nothing is held, noted or counted, and `transaction` refuses. */
  readonly readOnly: CofferError | undefined;
  /** The disk is full, and what can still be written is the reserve: it is for rows, not for bytes. */
  readonly isOnReserve: boolean;
  /** Milliseconds since 1970. */
  now(): number;
  /** An absolute path from one that is kept in the database. */
  path(...parts: string[]): string;
  /** What the database keeps of a path: relative to the root where it lies inside, so that a store can be moved. */
  keep(absolute: string): string;
  /** All of it or nothing; other writers wait. Not asynchronous. What it journalled reaches the file right after. */
  transaction<T>(work: Work<T>): T;
  /** Done when the store is closed, while the database is still open. */
  atClose(work: () => void): void;
  /** For rows that have to be written to a full disk: its reserve is given up until the store is closed. */
  useReserve(): void;
}

/**
 * What a command wants of the store. `look`: nothing may change, not even what an earlier command has left to do. `read`: it only reads. `hand-out`: it reads, and
 * holds what it hands out if it can. `write`: it writes a few rows. `make-room`: it takes something away. `add`: it brings bytes.
 */
export type Access = "look" | "read" | "hand-out" | "write" | "make-room" | "add";

/**
 * What each of them does where the disk is full or nothing may be written. `reserve`: it may have the reserve, which is for rows. `needs`: bytes for its rows; where
 * there are fewer, the reserve is given up before it begins. `canRead`: it is content with reading.
 */
const ACCESS: Record<Access, { reserve: boolean; needs: number; canRead: boolean }> = {
  look: { reserve: false, needs: 0, canRead: true },
  read: { reserve: false, needs: 0, canRead: true },
  "hand-out": { reserve: true, needs: 256 << 10, canRead: true },
  write: { reserve: true, needs: 0, canRead: false },
  "make-room": { reserve: true, needs: 4 << 20, canRead: false },
  add: { reserve: false, needs: 0, canRead: false },
};

export interface OpenOptions {
  make: boolean;
  /** By default `add` where the store may be made, else `write`. */
  access?: Access;
  now: () => number;
  say: Say;
}

/**
 * Opens the store that the settings name, or makes it.
 * @throws CofferError NOT_FOUND where there is none and `make` is false; PROTECTED, STORE_UNUSABLE, STORE_NEWER, STORE_DAMAGED, STORE_TYPE_UNUSABLE
 */
export function openStore(settings: Settings, options: OpenOptions): Store {
  requireUsableType(settings.values);
  const root = settings.roots.store;
  checkRoot(root, options.make);
  if (options.make) requireLocks(root);
  const file = join(root, "coffer.db");
  const { db, inode, readOnly, close, ...opened } = openSomehow(root, file, { ...options, ...waysOf(settings) });
  let isReserveSpent = opened.isReserveSpent;
  let isUntouched = true;
  const atClose: (() => void)[] = [];
  const store: Store = {
    root,
    db,
    settings,
    say: options.say,
    readOnly,
    isOnReserve: opened.isReserveSpent,
    now: options.now,
    path: (...parts) => (parts[0]?.startsWith("/") ? join(...parts) : join(root, ...parts)),
    keep(absolute) {
      const inside = relative(root, absolute);
      return inside === "" || inside === ".." || inside.startsWith(`..${sep}`) ? absolute : inside;
    },
    transaction<T>(work: Work<T>): T {
      if (readOnly) throw readOnly;
      const outermost = !db.inTransaction;
      if (!outermost) return writing(db, options.say, work);
      const result = writing<T>(db, options.say, (() => {
        // asked when the write lock is there, which a rebuild has while it sets a database aside
        if (inodeOf(file) !== inode) throw replacedDatabase(file, { isUntouched });
        return work();
      }) as Work<T>);
      isUntouched = false;
      flush(store);
      return result;
    },
    atClose: (work) => void atClose.push(work),
    useReserve() {
      if (spendReserve(root)) isReserveSpent = true;
    },
    [Symbol.dispose]() {
      try {
        for (const work of atClose.splice(0)) work();
      } finally {
        close();
        // last: closing gives back what the log took
        if (isReserveSpent) retakeReserve(root);
        // a store of an older coffer has none
        else if (options.access === "make-room" && lacksReserve(root)) layReserve(root);
      }
    },
  };
  if (readOnly) return store;
  try {
    const isNew = metadata.get(db, "id") === undefined;
    if (isNew)
      store.transaction(() => {
        if (metadata.get(db, "id") !== undefined) return;
        metadata.set(db, "id", Bun.randomUUIDv7());
        metadata.set(db, "created_at", String(options.now()));
      });
    flushAtOnce(store);
    if (isNew) layReserve(root);
    if (isNew) sayJournal(store);
  } catch (error) {
    close();
    if (isReserveSpent) retakeReserve(root);
    throw error;
  }
  return store;
}

type Ways = Pick<DatabaseOptions, "journal" | "limit" | "fileSystem">;

function waysOf({ values }: Settings): Ways {
  return { journal: values.artifact_store.database_journal, limit: values.artifact_store.busy_timeout };
}

interface Opened {
  db: Database;
  /** undefined where nothing was there before. */
  inode: bigint | undefined;
  readOnly: CofferError | undefined;
  isReserveSpent: boolean;
  close(): void;
}

/** Where the disk takes nothing, first the reserve helps, and then whoever only reads is content with less. */
function openSomehow(root: string, file: string, options: OpenOptions & Ways): Opened {
  const { access = options.make ? "add" : "write" } = options;
  if (access === "look") return { ...openToRead(file), inode: inodeOf(file), readOnly: onlyLookedAt(file), isReserveSpent: false };
  let figures = diskFigures(root);
  const { reserve, needs, canRead } = ACCESS[access];
  const isShort = needs > 0 && freeRoom(figures) < needs;
  let isReserveSpent = isShort && spendReserve(root);
  const open = (): Opened => {
    if (isReserveSpent) figures = diskFigures(root);
    const danger = indexDanger(figures);
    if (danger?.isShort) throw noRoom(file);
    const { db, inode } = openCurrent(file, { ...options, ...(figures && { fileSystem: figures.type }) });
    if (danger && !allocateIndex(realpathSync(file))) {
      closeDatabase(db);
      throw noRoom(file);
    }
    if (isReserveSpent) keepTablesInMemory(db);
    return { db, inode, readOnly: undefined, isReserveSpent, close: () => closeDatabase(db) };
  };
  try {
    try {
      // without a row that holds them bytes can be handed out as well
      if (canRead && isShort && !isReserveSpent) throw noRoom(file);
      return open();
    } catch (error) {
      if (isReserveSpent || !reserve || !isFull(error)) throw error;
      if (!spendReserve(root)) throw error;
      isReserveSpent = true;
      return open();
    }
  } catch (error) {
    if (isReserveSpent) retakeReserve(root);
    if (!canRead || !(error instanceof CofferError) || error.code !== "STORE_UNUSABLE") throw error;
    return { ...openToRead(file), inode: inodeOf(file), readOnly: error, isReserveSpent: false };
  }
}

function onlyLookedAt(file: string): CofferError {
  return new CofferError("STORE_UNUSABLE", `${file} was opened to look at it: nothing may be written`);
}

function noRoom(file: string): CofferError {
  return unusable(file, Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
}

/** The database, and the inode that it is; once more where another one took its place meanwhile. */
function openCurrent(file: string, options: Pick<OpenOptions, "make" | "say"> & Ways): { db: Database; inode: bigint | undefined } {
  for (;;) {
    const before = inodeOf(file);
    const db = openDatabase(file, options);
    const inode = inodeOf(file);
    if (before === undefined || before === inode) return { db, inode };
    closeDatabase(db);
  }
}

function inodeOf(file: string): bigint | undefined {
  return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** What an earlier command has left is no reason to wait for anybody. */
function flushAtOnce(store: Store): void {
  if (!journal.isPending(store.db)) return;
  using _ = withoutWaiting(store.db);
  flush(store, true);
}

/** What was committed stays committed: lines that cannot reach the file now wait in their table for the next command. */
function flush(store: Store, byOthers = false): void {
  try {
    flushJournal(store, { byOthers });
  } catch (error) {
    if (error instanceof CofferError && error.code === "STORE_BUSY") return;
    const todo = error instanceof CofferError && error.hint !== undefined ? `. ${error.hint}` : "";
    store.say(`the journal could not be written, and will be with the next command: ${reason(error)}${todo}`);
  }
}
