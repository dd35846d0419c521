import { mkdtempSync, statSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../blobs/remove-tree.ts";
import { modeOf } from "../db/open/journal-mode.ts";
import { tryLocks } from "../db/open/try-database.ts";
import { CofferError } from "../domain/error.ts";
import { fileSystemOf, journalFor } from "../domain/file-system.ts";
import type { Store } from "./store.ts";

/** What the directory of the trial begins with. */
export const LOCKS = ".coffer-locks-";

/**
 * Before a database is made: on a file system that other machines may write to, locks are tried first, with a second process. Elsewhere this is one look at its type.
 * @throws CofferError STORE_UNUSABLE where they do not work: two writers at once would damage it
 */
export function requireLocks(root: string): void {
  if (statSync(join(root, "coffer.db"), { throwIfNoEntry: false })) return;
  const system = fileSystemOf(root);
  if (journalFor(system) === "wal") return;
  const scratch = mkdtempSync(join(root, LOCKS));
  try {
    const locks = tryLocks(scratch);
    if (locks === "work") return;
    throw new CofferError(
      "STORE_UNUSABLE",
      `locks do not work in ${root} (${system.name}): ${locks === "useless" ? "two processes had one at the same time" : locks.fault}`,
      { hint: "two writers at once would damage the database; name a root on another file system with --root. coffer doctor tells more" },
    );
  } finally {
    removeTree(scratch);
  }
}

/** Says how a database that was just made is kept, where that is not the usual way. */
export function sayJournal({ db, root, say }: Store): void {
  if (modeOf(db) === "wal") return;
  say(
    `the database of ${root} is kept with a rollback journal, since a write-ahead log is not safe on ${fileSystemOf(root).name}, or not wanted; coffer doctor tells more`,
  );
}
