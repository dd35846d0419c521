import { Database } from "bun:sqlite";
import * as blobs from "../../src/db/bytes/blobs.ts";
import { listLost, pathInRun } from "../../src/store/damage/lost.ts";
import type { Damage } from "../../src/store/damage/damage.ts";
import type { Repair } from "../../src/store/damage/repair.ts";
import type { Elsewhere } from "../../src/store/damage/copies.ts";
import { readChecked } from "../../src/store/read.ts";
import type { Store } from "../../src/store/store.ts";
import type { Verified } from "../../src/store/damage/verify.ts";
import { repairWhole, verifyWhole } from "../../src/manifest/check/whole-store.ts";
import { ALL } from "../store/damaged-store.ts";

/** What of a row tells where its bytes lie now, and of which inode: a repair moves them. */
const MOVED = ["mtime_ns", "ctime_ns", "inode", "pack", "offset", "path", "place"];

/** All rows of all tables, but for those of `damage`, and where bytes lie. */
export function rowsOf(store: Store): Record<string, unknown> {
  using db = new Database(store.path("coffer.db"), { readonly: true });
  const tables = db.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").values() as [string][];
  const rows: Record<string, unknown> = {};
  for (const [table] of tables) {
    if (table === "damage" || table === "packs") continue;
    const all = db.query(`SELECT * FROM ${table}`).all() as Record<string, unknown>[];
    if (table === "blobs") for (const row of all) for (const key of MOVED) delete row[key];
    rows[table] = all;
  }
  return rows;
}

/** The bytes of each blob, by its digest; null where nobody gets them. */
export async function bytesOf(store: Store): Promise<Map<string, string | null>> {
  const bytes = new Map<string, string | null>();
  for (const [seq] of store.db.query("SELECT seq FROM blobs ORDER BY seq").values() as [number][]) {
    const row = blobs.bySeq(store.db, seq) as blobs.BlobRow;
    const read = await readChecked(store, row).then(
      (whole) => whole.toString("latin1"),
      () => null,
    );
    bytes.set(`blake3:${Buffer.from(row.blake3 as Uint8Array).toString("hex")}`, read);
  }
  return bytes;
}

/** What `coffer verify` looks at. */
export const look = (store: Store): Promise<Verified> => verifyWhole(store, ALL);

/** What `coffer verify --repair` does. */
export const mendAll = (store: Store, found: Verified, directories: string[], elsewhere: Elsewhere[] = []): Promise<Repair> =>
  repairWhole(store, found, { directories, elsewhere, stop: () => false });

/** Digests of what is lost, and the artifacts and paths that are said to have it. */
export async function namesOf(store: Store, damage: readonly Damage[]): Promise<Map<string, string[]>> {
  const lost = await listLost(store, damage);
  return new Map(lost.map(({ digest, uses }) => [`blake3:${digest.hex}`, uses.map((use) => `${use.name} ${pathInRun(use) ?? use.path}`)]));
}
