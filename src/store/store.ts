import type { Database } from "bun:sqlite";
import { join, relative, sep } from "node:path";
import { requireUsableType } from "../config/usable-type.ts";
import type { Settings } from "../config/settings.ts";
import * as metadata from "../db/metadata.ts";
import { closeDatabase, openDatabase, writing } from "../db/open.ts";
import type { Say, Work } from "../db/open.ts";
import { reason } from "../domain/error.ts";
import { checkRoot } from "./check-root.ts";
import { flushJournal } from "./journal-file.ts";

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
  const db = openDatabase(join(root, "coffer.db"), options);
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
    transaction(work) {
      const outermost = !db.inTransaction;
      const result = writing(db, options.say, work);
      if (outermost) flush(store);
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

/** What was committed stays committed: lines that cannot reach the file now wait in their table for the next command. */
function flush(store: Store): void {
  try {
    flushJournal(store);
  } catch (error) {
    store.say(`the journal could not be written, and will be with the next command: ${reason(error)}`);
  }
}
