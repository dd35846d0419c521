import { Database } from "bun:sqlite";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as blobs from "../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../src/db/bytes/blobs.ts";
import * as packs from "../../src/db/bytes/packs.ts";
import * as runs from "../../src/db/records/runs.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { locate, readChecked } from "../../src/store/read.ts";
import { repair } from "../../src/store/damage/repair.ts";
import type { Repair, RepairOptions } from "../../src/store/damage/repair.ts";
import type { Store } from "../../src/store/store.ts";
import { verify } from "../../src/store/damage/verify.ts";
import type { Verified } from "../../src/store/damage/verify.ts";
import type { TestStore } from "../support/store.ts";

export const ALL = { share: 1, random: Math.random };

export const small = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, `small ${i}`]));

export const rowOf = ({ store }: TestStore, blob: number | null): BlobRow => blobs.bySeq(store.db, blob as number) as BlobRow;
export const pathOf = (test: TestStore, blob: number | null): string => locate(test.store, rowOf(test, blob)).path;

/** The nth file of a directory, in the order of its rows. */
export function memberOf({ store }: TestStore, tree: ArtifactRow, nth: number): BlobRow {
  const { member } = store.db
    .query("SELECT member FROM tree_members WHERE tree = ? ORDER BY member LIMIT 1 OFFSET ?")
    .get(tree.blob, nth) as {
    member: number;
  };
  return blobs.bySeq(store.db, member) as BlobRow;
}

/** Changes a file in place, as a failing disk would: the rows know nothing. */
export function rewrite(path: string, change: (bytes: Buffer) => unknown): void {
  const bytes = readFileSync(path);
  const changed = change(bytes);
  chmodSync(path, 0o644);
  writeFileSync(path, Buffer.isBuffer(changed) ? changed : bytes);
  chmodSync(path, 0o444);
}

/**
 * All rows of a store, and all bytes that they name. Left out is what a repair must change: time stamps and inodes of files, and of a pack that was
 * written anew its own row and where its members lie.
 */
export async function dumpOf(store: Store, options: { places: boolean } = { places: true }): Promise<unknown> {
  using db = new Database(store.path("coffer.db"), { readonly: true });
  const tables = db.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").values() as [string][];
  const dump: Record<string, unknown> = {};
  for (const [table] of tables) {
    const rows = db.query(`SELECT * FROM ${table}`).all() as Record<string, unknown>[];
    const hidden = ["mtime_ns", "ctime_ns", "inode", ...(options.places ? [] : ["pack", "offset", "path", "place"])];
    if (table === "blobs" || table === "packs") for (const row of rows) for (const key of hidden) delete row[key];
    if (table !== "packs" || options.places) dump[table] = rows;
  }
  const seqs = db.query("SELECT seq FROM blobs ORDER BY seq").values() as [number][];
  const bytes: string[] = [];
  for (const [seq] of seqs) bytes.push((await readChecked(store, blobs.bySeq(store.db, seq) as BlobRow)).toString("base64"));
  return { dump, bytes };
}

/** Verifies, repairs, and verifies again. */
export async function mend(
  { store }: TestStore,
  given: Partial<RepairOptions> = {},
): Promise<{ found: Verified; done: Repair; after: Verified }> {
  const found = await verify(store, ALL);
  const done = await repair(store, found, { directories: [], elsewhere: [], stop: () => false, ...given });
  return { found, done, after: await verify(store, ALL) };
}

export const packsOf = ({ store }: TestStore): packs.PackRow[] => packs.all(store.db);

/** Names below a directory of the store; none where it is not there. */
export function below({ store }: TestStore, ...parts: string[]): string[] {
  try {
    return readdirSync(store.path(...parts), { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(store.path(...parts).length + 1));
  } catch {
    return [];
  }
}

/** Writes what an artifact holds into the workspace of its run, as a run of policy `separated` leaves it. */
export function inWorkspace(stored: TestStore, artifact: ArtifactRow, files: Record<string, string | Uint8Array>): string {
  const { id } = runs.bySeq(stored.store.db, artifact.run) as runs.RunRow;
  const workspace = join(stored.store.settings.roots.workspace, "runs", id);
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(workspace, path)), { recursive: true });
    writeFileSync(join(workspace, path), bytes);
  }
  stored.store.transaction(() =>
    runs.update(stored.store.db, artifact.run, { workspace: stored.store.keep(workspace), workspace_state: "present" }),
  );
  return workspace;
}
