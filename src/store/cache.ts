import { lstatSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as blobs from "../db/blobs.ts";
import * as entries from "../db/cache-entries.ts";
import * as leases from "../db/leases.ts";
import * as metadata from "../db/metadata.ts";
import { readTree, blobRow, checkedFile, hexOf } from "./read.ts";
import type { Store } from "./store.ts";
import { writeOut } from "./write-out.ts";
import type { Content } from "./write-out.ts";

/** Every file in the cache has this mtime (2000-01-01): one that was written to since tells so. */
const UNTOUCHED = 946_684_800;

/**
 * A path under which the bytes can be read: a large blob's own file, or a plain copy in the cache for a packed blob or a directory.
 * What is handed out is held by `lease` until it ends, so that neither gc nor the cache's own limit takes it.
 * @throws CofferError CORRUPT
 */
export async function readablePath(store: Store, content: Content & { size: number; name: string }, lease: number): Promise<string> {
  const row = blobRow(store, content.blob);
  store.transaction(() => {
    leases.holdBlob(store.db, lease, content.blob);
    blobs.touch(store.db, [content.blob], store.now());
  });
  if (content.kind === "file" && row.place !== "pack") return checkedFile(store, row);

  const path = join(hexOf(row).slice(0, 16), content.name);
  const absolute = store.path("cache", path);
  // held before the first look: an eviction that runs beside us leaves it alone
  store.transaction(() => leases.holdEntry(store.db, lease, path));
  if (entries.get(store.db, path) && (await isUntouched(store, content, absolute))) {
    store.transaction(() => {
      entries.touch(store.db, path, store.now());
      metadata.count(store.db, "cache.hits", 1);
    });
    return absolute;
  }
  rmSync(absolute, { recursive: true, force: true });
  mkdirSync(join(absolute, ".."), { recursive: true });
  await writeOut(store, content, absolute, { stamp: UNTOUCHED });
  store.transaction(() => {
    entries.put(store.db, { path, blob: content.blob, size: content.size, at: store.now() });
    metadata.count(store.db, "cache.misses", 1);
  });
  evict(store);
  return absolute;
}

/** Takes the least recently used entries until the limits hold; never one that a reader holds. Returns the bytes freed. */
export function evict(store: Store, limits = store.settings.values.cache): number {
  const all = entries.oldestFirst(store.db);
  let size = all.reduce((sum, entry) => sum + entry.size, 0);
  let count = all.length;
  let freed = 0;
  const held = leases.heldEntries(store.db);
  for (const entry of all) {
    if (size <= limits.max_size && count <= limits.max_entries) break;
    if (held.has(entry.path)) continue;
    store.transaction(() => entries.remove(store.db, entry.path));
    rmSync(store.path("cache", entry.path), { recursive: true, force: true });
    size -= entry.size;
    count--;
    freed += entry.size;
  }
  return freed;
}

/** A copy may have been changed by who read it: sizes and the mtime that we gave it tell. */
async function isUntouched(store: Store, content: Content, absolute: string): Promise<boolean> {
  const same = (path: string, size: number): boolean => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat !== undefined && stat.isFile() && stat.size === size && stat.mtimeMs === UNTOUCHED * 1000;
  };
  if (content.kind === "file") return same(absolute, blobRow(store, content.blob).size);
  if (!lstatSync(absolute, { throwIfNoEntry: false })?.isDirectory()) return false;
  return (await readTree(store, content.blob)).every((entry) => {
    const path = join(absolute, entry.path);
    return entry.kind === "file" ? same(path, entry.size) : lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  });
}
