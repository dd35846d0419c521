import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { makeDirectory, syncDirectory, syncPath } from "../../blobs/durable.ts";
import { makeInNewPlace } from "../../blobs/new-place.ts";
import { removeTree } from "../../blobs/remove-tree.ts";
import { copyInto, DatabaseCopy, holdAll } from "../../db/copy/copy-database.ts";
import { CofferError, errno, isFull, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { copyBytes } from "./copy-bytes.ts";
import { copyManifests } from "./copy-manifests.ts";
import { dropLease, holdBlob, takeLease } from "../lease.ts";
import type { Lease } from "../lease.ts";
import { blobRow } from "../read.ts";
import { refuseInside } from "../refuse-inside.ts";
import type { Store } from "../store.ts";

export interface Backup {
  path: string;
  runs: number;
  artifacts: number;
  /** Of the database's file. */
  database_bytes: number;
  manifests: number;
  /** null where only the database was asked for. */
  bytes: { files: number; bytes: number } | null;
  /** What imports left elsewhere stays there. */
  foreign: { files: number; bytes: number };
  /** Bytes that are damaged or gone in the store itself. */
  failed: { path: string; error: string }[];
}

const TRIES = 5;

/**
 * Makes a copy of the store's rows, and of its bytes where they are asked for, in a directory that is absent or empty. Others work meanwhile.
 *
 *  1. With bytes, a lease takes hold of every blob, so that no sweep takes one while it is copied.
 *  2. The database is copied as it is at one moment. A blob that came between 1 and 2 is held too; where a sweep was faster, both are done again.
 *  3. The bytes that the copy names are copied: cloned where the file system can, never linked. Manifests and the journal follow, no newer than the copy.
 *  4. All of it is flushed, in a directory beside the target, which then takes the target's name.
 *
 * Undefined where `stop` said so; nothing is left then.
 * @throws CofferError PROTECTED where something is there, or the target lies in the store; STORE_UNUSABLE
 */
export async function backUp(store: Store, to: string, options: { withBytes: boolean; stop: () => boolean }): Promise<Backup | undefined> {
  const target = resolve(to);
  refuseInside(
    [store.root, store.settings.roots.workspace, store.settings.roots.mlflow],
    target,
    "name a directory outside the store, best on another disk",
  );
  const lease = options.withBytes ? takeLease(store, "read") : undefined;
  try {
    makeDirectory(dirname(target));
    const backup = await makeInNewPlace(target, "directory", async (beside) => {
      // nobody else looks in before it has the modes of the store
      mkdirSync(beside, { mode: 0o700 });
      const filled = await fill(store, beside, lease, options);
      if (!filled) return null;
      syncPoint("backup.filled");
      syncDirectories(beside);
      chmodSync(beside, statSync(existsSync(target) ? target : store.root).mode & 0o777);
      return filled;
    });
    if (!backup) return undefined;
    syncDirectory(dirname(target));
    return { ...backup, path: target };
  } catch (error) {
    throw unwritable(target, error);
  } finally {
    if (lease) dropLease(store, lease);
  }
}

async function fill(
  store: Store,
  directory: string,
  lease: Lease | undefined,
  { stop }: { stop: () => boolean },
): Promise<Omit<Backup, "path"> | undefined> {
  const file = join(directory, "coffer.db");
  const copied = await copyAll(store, file, lease, stop);
  if (stop()) return undefined;
  chmodSync(file, statSync(store.path("coffer.db")).mode & 0o777);
  await syncPath(file);
  return { ...copied, database_bytes: statSync(file).size };
}

async function copyAll(
  store: Store,
  file: string,
  lease: Lease | undefined,
  stop: () => boolean,
): Promise<Omit<Backup, "path" | "database_bytes">> {
  using copy = copyDatabase(store, file, lease);
  syncPoint("backup.copied");
  copy.trim(lease !== undefined);
  const failed: Backup["failed"] = [];
  const bytes = lease ? await copyBytes(store, copy, dirname(file), { stop, failed }) : null;
  const manifests = await copyManifests(store, copy, dirname(file));
  const totals = copy.totals();
  copy.finish();
  return { ...totals, manifests, bytes, failed };
}

function copyDatabase(store: Store, file: string, lease: Lease | undefined): DatabaseCopy {
  for (let tries = 1; ; tries++) {
    if (lease && !store.readOnly) store.transaction(() => holdAll(store.db, lease.seq));
    copyInto(store.db, file);
    const copy = new DatabaseCopy(file);
    if (!lease || store.readOnly || holdRest(store, copy, lease)) return copy;
    copy[Symbol.dispose]();
    removeTree(file);
    if (tries === TRIES)
      throw new CofferError("STORE_BUSY", "gc takes bytes as fast as they come", { hint: "wait until it is done, then try again" });
  }
}

/** False where a sweep was faster: it took or moved what had just come. */
function holdRest(store: Store, copy: DatabaseCopy, lease: Lease): boolean {
  return copy.unheld(lease.seq).every(({ seq, path, pack }) => {
    try {
      holdBlob(store, lease.seq, seq);
    } catch (error) {
      if (error instanceof CofferError && error.code === "NOT_FOUND") return false;
      throw error;
    }
    const now = blobRow(store, seq);
    return now.path === path && now.pack === pack;
  });
}

function syncDirectories(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) syncDirectory(join(entry.parentPath, entry.name));
  syncDirectory(directory);
}

function unwritable(target: string, error: unknown): unknown {
  const code = errno(error);
  if (error instanceof CofferError || code === undefined) return error;
  return new CofferError("STORE_UNUSABLE", `the backup ${target} could not be written: ${reason(error)}`, {
    hint:
      isFull(error) || code === "SQLITE_FULL"
        ? "make room on its disk, or name another; nothing was left there"
        : "name a directory that you may write; nothing was left there",
    cause: error,
  });
}
