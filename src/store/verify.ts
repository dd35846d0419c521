import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { loadBlake3 } from "../blobs/blake3.ts";
import { decodeTree } from "../blobs/tree.ts";
import type { BlobRow } from "../db/blobs.ts";
import * as packs from "../db/packs.ts";
import { errno, reason } from "../domain/error.ts";
import { hexOf, locate, readChecked } from "./read.ts";
import type { Store } from "./store.ts";

export interface Damage {
  digest: string;
  path: string;
  what: "missing" | "changed" | "short" | "unreadable" | "incomplete tree" | "database";
  detail: string;
}

export interface Verified {
  blobs: number;
  bytes: number;
  damage: Damage[];
}

const CHUNK = 4 << 20;

/**
 * Reads the bytes of every blob again and holds them against their digests; looks whether each directory's files are all there,
 * and whether the database is whole. `share` (0–1] takes a random part of the blobs. Changes nothing.
 */
export async function verify(store: Store, options: { share: number; random: () => number; progress?: (bytes: number) => void }): Promise<Verified> {
  const found: Verified = { blobs: 0, bytes: 0, damage: checkDatabase(store) };
  const packPaths = new Map(packs.all(store.db).map((pack) => [pack.seq, store.path(pack.path)]));
  const blake3 = await loadBlake3();
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  // in the order of the disk: a pack is read from front to back
  const rows = store.db.query<BlobRow, []>("SELECT * FROM blobs WHERE state IN ('live', 'condemned') AND place <> 'foreign' ORDER BY pack, offset, seq").iterate();
  let open: { path: string; fd: number } | undefined;
  try {
    for (const row of rows) {
      if (options.share < 1 && options.random() >= options.share) continue;
      const path = row.place === "pack" ? (packPaths.get(row.pack as number) ?? "(a pack without a row)") : store.path(row.path as string);
      const hurt = (what: Damage["what"], detail: string) => found.damage.push({ digest: `blake3:${hexOf(row)}`, path, what, detail });
      try {
        if (open?.path !== path) {
          if (open) closeSync(open.fd);
          open = undefined;
          open = { path, fd: openSync(path, "r") };
        }
        if (row.place === "file" && fstatSync(open.fd).size !== row.size) {
          hurt("short", `${fstatSync(open.fd).size} bytes instead of ${row.size}`);
          continue;
        }
        const hasher = blake3.hasher();
        const start = row.offset ?? 0;
        let at = 0;
        while (at < row.size) {
          const read = readSync(open.fd, buffer, 0, Math.min(CHUNK, row.size - at), start + at);
          if (read === 0) break;
          hasher.update(read === CHUNK ? buffer : buffer.subarray(0, read));
          at += read;
        }
        const digest = hasher.digest();
        if (at < row.size) hurt("short", `${at} bytes instead of ${row.size}`);
        else if (!Buffer.from(digest).equals(row.blake3 as Uint8Array)) hurt("changed", "its bytes are not those of its digest");
      } catch (error) {
        hurt(errno(error) === "ENOENT" ? "missing" : "unreadable", reason(error));
      }
      found.blobs++;
      found.bytes += row.size;
      options.progress?.(found.bytes);
      if (found.blobs % 256 === 0 || row.size > CHUNK) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    if (open) closeSync(open.fd);
  }
  found.damage.push(...(await checkTrees(store)));
  return found;
}

function checkDatabase(store: Store): Damage[] {
  const damage = (detail: string): Damage => ({ digest: "", path: store.path("coffer.db"), what: "database", detail });
  const integrity = store.db.query<{ integrity_check: string }, []>("PRAGMA integrity_check(20)").all().map((row) => row.integrity_check);
  const broken = store.db.query<{ table: string; rowid: number }, []>("PRAGMA foreign_key_check").all();
  return [...integrity.filter((line) => line !== "ok").map(damage), ...broken.slice(0, 20).map((row) => damage(`row ${row.rowid} of ${row.table} names a row that is not there`))];
}

async function checkTrees(store: Store): Promise<Damage[]> {
  const damage: Damage[] = [];
  const trees = store.db
    .query<BlobRow, []>("SELECT * FROM blobs WHERE state = 'live' AND seq IN (SELECT blob FROM artifacts WHERE kind = 'tree' AND blob IS NOT NULL)")
    .all();
  const there = store.db.query<{ n: number }, [number, Uint8Array]>("SELECT count(*) AS n FROM tree_members JOIN blobs ON blobs.seq = member WHERE tree = ? AND blake3 = ?");
  for (const row of trees) {
    const where = { digest: `blake3:${hexOf(row)}`, path: locate(store, row).path };
    try {
      for (const entry of decodeTree(await readChecked(store, row)))
        if (entry.kind === "file" && there.get(row.seq, Buffer.from(entry.hex, "hex"))?.n !== 1) damage.push({ ...where, what: "incomplete tree", detail: `${entry.path} is not in the store` });
    } catch {
      // the tree's own bytes are damaged: reported above, with the other blobs
    }
  }
  return damage;
}
