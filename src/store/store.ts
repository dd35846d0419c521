import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { requireUsableType } from "../config/usable-type.ts";
import type { Settings } from "../config/settings.ts";
import * as metadata from "../db/open/metadata.ts";
import { closeDatabase, openDatabase, writing } from "../db/open/open.ts";
import type { Say, Work } from "../db/open/open.ts";
import { CofferError, reason } from "../domain/error.ts";
import { checkRoot } from "./check-root.ts";
import { flushJournal } from "./database/journal-file.ts";

/** Rows and bytes together, under one root. */
export interface Store extends Disposable {
  /** Absolute. */
  readonly root: string;
  readonly db: Database;
  readonly settings: Settings;
  readonly say: Say;
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
}

/**
 * Opens the store that the settings name, or makes it.
 * @throws CofferError NOT_FOUND where there is none and `make` is false; PROTECTED, STORE_UNUSABLE, STORE_NEWER, STORE_DAMAGED, STORE_TYPE_UNUSABLE
 */
export function openStore(settings: Settings, options: { make: boolean; now: () => number; say: Say }): Store {
  requireUsableType(settings.values);
  const root = settings.roots.store;
  checkRoot(root, options.make);
  const file = join(root, "coffer.db");
  const { db, inode } = openCurrent(file, options);
  const atClose: (() => void)[] = [];
  const store: Store = {
    root,
    db,
    settings,
    say: options.say,
    now: options.now,
    path: (...parts) => (parts[0]?.startsWith("/") ? join(...parts) : join(root, ...parts)),
    keep(absolute) {
      const inside = relative(root, absolute);
      return inside === "" || inside === ".." || inside.startsWith(`..${sep}`) ? absolute : inside;
    },
    transaction<T>(work: Work<T>): T {
      const outermost = !db.inTransaction;
      if (!outermost) return writing(db, options.say, work);
      const result = writing<T>(db, options.say, (() => {
        refuseReplaced(file, inode);
        return work();
      }) as Work<T>);
      flush(store);
      return result;
    },
    atClose: (work) => void atClose.push(work),
    [Symbol.dispose]() {
      try {
        for (const work of atClose.splice(0)) work();
      } finally {
        closeDatabase(db);
      }
    },
  };
  try {
    if (metadata.get(db, "id") === undefined)
      store.transaction(() => {
        if (metadata.get(db, "id") !== undefined) return;
        metadata.set(db, "id", Bun.randomUUIDv7());
        metadata.set(db, "created_at", String(options.now()));
      });
    flush(store);
  } catch (error) {
    closeDatabase(db);
    throw error;
  }
  return store;
}

/** The database, and the inode that it is; once more where another one took its place meanwhile. */
function openCurrent(file: string, options: { make: boolean; say: Say }): { db: Database; inode: bigint | undefined } {
  for (;;) {
    const before = inodeOf(file);
    const db = openDatabase(file, options);
    const inode = inodeOf(file);
    if (before === undefined || before === inode) return { db, inode };
    closeDatabase(db);
  }
}

/**
 * SQLite would go on with a file that was set aside or removed, and what it wrote would be in no store. Asked when the write lock is there, which a rebuild has while
 * it sets a database aside.
 */
function refuseReplaced(file: string, inode: bigint | undefined): void {
  if (inodeOf(file) !== inode)
    throw new CofferError("STORE_UNUSABLE", `the database ${file} was replaced or removed while this command used it`, {
      hint: "nothing of this step was kept; the next command uses the database that is there now",
    });
}

function inodeOf(file: string): bigint | undefined {
  return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** What was committed stays committed: lines that cannot reach the file now wait in their table for the next command. */
function flush(store: Store): void {
  try {
    flushJournal(store);
  } catch (error) {
    store.say(`the journal could not be written, and will be with the next command: ${reason(error)}`);
  }
}
