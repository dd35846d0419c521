import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Blake3 } from "../blobs/blake3.ts";
import { moveAway } from "../blobs/move-away.ts";
import * as entries from "../db/cache-entries.ts";
import * as leases from "../db/leases.ts";
import * as metadata from "../db/metadata.ts";
import { errno } from "../domain/error.ts";
import { holdBlob } from "./lease.ts";
import { blobRow, checkedFile, hexOf } from "./read.ts";
import { storeDirectory } from "./store.ts";
import type { Store } from "./store.ts";
import { writeOut } from "./write-out.ts";
import type { Content } from "./write-out.ts";

/**
 * A path under which the bytes can be read: a large blob's own file, or a plain copy in the cache for a packed blob or a directory.
 * What is handed out is held by `lease` until it ends, so that neither gc nor the cache's own limit takes it.
 * @throws CofferError CORRUPT
 */
export async function readablePath(store: Store, content: Content & { size: number; name: string }, lease: number): Promise<string> {
  holdBlob(store, lease, content.blob);
  const row = blobRow(store, content.blob);
  if (content.kind === "file" && row.place !== "pack") return checkedFile(store, row);

  const blake3 = await loadBlake3();
  // the same bytes with other mode bits are another copy
  const path = join(`${hexOf(row).slice(0, 16)}-${content.mode.toString(8)}`, content.name);
  const absolute = store.path("cache", path);
  // held before the first look: an eviction that runs beside us leaves it alone
  store.transaction(() => leases.holdEntry(store.db, lease, path));
  const isThere = (): boolean => {
    const entry = entries.get(store.db, path);
    return entry !== null && entry.blob === content.blob && entry.stamp === copyStamp(blake3, absolute);
  };
  if (isThere()) {
    store.transaction(() => {
      entries.touch(store.db, path, store.now());
      metadata.count(store.db, "cache.hits", 1);
    });
    return absolute;
  }
  const staging = leases.token(store.db, lease);
  const [made, old] = [wayside(store, staging), wayside(store, staging)];
  await writeOut(store, content, made, { removable: true });
  store.transaction(() => {
    metadata.count(store.db, "cache.misses", 1);
    // another process was faster, and somebody may be reading its copy already
    if (isThere()) return;
    takeAway(absolute, old);
    mkdirSync(dirname(absolute), { recursive: true });
    renameSync(made, absolute);
    entries.put(store.db, { path, blob: content.blob, size: content.size, stamp: copyStamp(blake3, absolute) as string, at: store.now() });
  });
  for (const left of [made, old]) rmSync(left, { recursive: true, force: true });
  evict(store);
  return absolute;
}

/** Takes the least recently used entries until the limits hold; never one that a reader holds. Returns the bytes freed. */
export function evict(store: Store, limits = store.settings.values.cache): number {
  const all = entries.oldestFirst(store.db);
  let size = all.reduce((sum, entry) => sum + entry.size, 0);
  let count = all.length;
  let freed = 0;
  for (const entry of all) {
    if (size <= limits.max_size && count <= limits.max_entries) break;
    const old = wayside(store);
    // asked and moved in one transaction: a reader holds an entry before it looks for it
    const isGone = store.transaction(() => {
      if (leases.isEntryHeld(store.db, entry.path)) return false;
      entries.remove(store.db, entry.path);
      takeAway(store.path("cache", entry.path), old);
      return true;
    });
    if (!isGone) continue;
    rmSync(old, { recursive: true, force: true });
    size -= entry.size;
    count--;
    freed += entry.size;
  }
  return freed;
}

/** A name under `tmp/`; what a crash leaves there, gc takes: what belongs to a lease when that has ended. */
function wayside(store: Store, token = ""): string {
  return join(storeDirectory(store, "tmp", token), `cache-${Bun.randomUUIDv7()}`);
}

/** Takes an entry away, and its directory where nothing else lies in it. */
function takeAway(path: string, to: string): void {
  try {
    if (moveAway(path, to)) rmdirSync(dirname(path));
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(errno(error) ?? "")) throw error;
  }
}

/**
 * What tells whether anybody changed a copy since it was made: kind, mode, size, mtime, ctime and inode of each file and directory in it, and
 * their names. Undefined where there is none.
 */
function copyStamp(blake3: Blake3, path: string): string | undefined {
  const lines: string[] = [];
  const visit = (at: string, name: string): void => {
    const { mode, size, mtimeNs, ctimeNs, ino } = lstatSync(at, { bigint: true });
    lines.push([mode, size, mtimeNs, ctimeNs, ino, JSON.stringify(name)].join(" "));
    // S_IFDIR
    if ((mode & 0o170000n) === 0o040000n)
      for (const inner of readdirSync(at).sort()) visit(join(at, inner), name === "" ? inner : `${name}/${inner}`);
  };
  try {
    visit(path, "");
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return undefined;
  }
  return Buffer.from(blake3.hash(Buffer.from(lines.join("\n")))).toString("hex");
}
