import { mkdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { removeTree } from "../../blobs/remove-tree.ts";
import * as entries from "../../db/bytes/cache-entries.ts";
import * as leases from "../../db/bytes/leases.ts";
import * as metadata from "../../db/open/metadata.ts";
import { CofferError } from "../../domain/error.ts";
import { formatBytes } from "../../domain/quantity.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { cacheLimits, isOff } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { copyStamp } from "./copy-stamp.ts";
import { evict, takeAway, wayside } from "./evict.ts";
import type { Taken } from "./evict.ts";
import { holdBlob, processLease, readerLeases } from "../lease.ts";
import { blobRow, checkedFile, hexOf } from "../read.ts";
import type { Store } from "../store.ts";
import { writeOut } from "../bytes/write-out.ts";
import type { Content } from "../bytes/write-out.ts";

/** What somebody wants to read: its size in bytes, and the name that its copy gets. */
export type Readable = Content & { size: number; name: string };

/** The same for one: see `readablePaths`. */
export async function readablePath(store: Store, content: Readable, lease: number): Promise<string> {
  return (await readablePaths(store, [content], lease))[0] as string;
}

/**
 * Paths under which the bytes can be read, in the same order: a large blob's own file, or a plain copy in the cache for a packed blob or a directory. `lease` is
 * the reader's, and holds what is handed out; so does this process until its store is closed. Brings the cache under its limits afterwards, if need be at the cost
 * of what the same reader got earlier: then that is said, once.
 * @throws CofferError CORRUPT
 */
export async function readablePaths(store: Store, contents: readonly Readable[], lease: number): Promise<string[]> {
  const paths: string[] = [];
  let isCopied = false;
  for (const content of contents) {
    holdBlob(store, lease, content.blob);
    syncPoint("get.held");
    const row = blobRow(store, content.blob);
    if (content.kind === "file" && row.place !== "pack") {
      paths.push(await checkedFile(store, row));
      continue;
    }
    if (store.readOnly || store.isOnReserve) {
      paths.push(await copyThere(store, content));
      continue;
    }
    const { path, isNew } = await copyFor(store, content, readerLeases(store, lease));
    store.transaction(() => {
      entries.touch(store.db, path, store.now(), isNew ? 0 : 1);
      metadata.count(store.db, isNew ? "cache.misses" : "cache.hits", 1);
    });
    paths.push(store.path("cache", path));
    isCopied = true;
  }
  if (isCopied) settle(store, lease);
  return paths;
}

/** A copy that somebody made before. Nobody holds it now: it may go at any time. @throws CofferError STORE_UNUSABLE where there is none */
async function copyThere(store: Store, content: Readable): Promise<string> {
  const path = entryPath(store, content);
  if (isThere(store, await loadBlake3(), content, path)) return store.path("cache", path);
  throw new CofferError(
    "STORE_UNUSABLE",
    `this needs a copy in the cache, and none can be made: ${store.readOnly?.message ?? "no space is left on the disk of the store"}`,
    {
      hint: "coffer get REF -o PATH writes it to a place of your own, on another disk",
      ...(store.readOnly && { cause: store.readOnly }),
    },
  );
}

/** Whether a reader would find a copy; nothing counts as used. `own`: it needs none. */
export async function isCached(store: Store, content: Readable): Promise<boolean | "own"> {
  const row = blobRow(store, content.blob);
  if (content.kind === "file" && row.place !== "pack") return "own";
  return isThere(store, await loadBlake3(), content, entryPath(store, content));
}

/**
 * Has a copy ready for whoever will read it; counts neither as a hit nor as a miss. Nobody holds it. `lease`: of the process that asks for it, whose earlier
 * copies may have to go. `own`: it needs none.
 * @throws CofferError CORRUPT
 */
export async function preload(store: Store, content: Readable, lease: number): Promise<"loaded" | "there" | "own"> {
  const mine = processLease(store);
  holdBlob(store, mine.seq, content.blob);
  const row = blobRow(store, content.blob);
  if (content.kind === "file" && row.place !== "pack") {
    await checkedFile(store, row);
    return "own";
  }
  const { path, isNew } = await copyFor(store, content, []);
  store.transaction(() => {
    entries.touch(store.db, path, store.now(), 0);
    leases.releaseEntry(store.db, mine.seq, path);
  });
  settle(store, lease);
  return isNew ? "loaded" : "there";
}

/** The same bytes with other mode bits are another copy, and so is the list of a directory, read as a file, beside the directory. */
function entryPath(store: Store, content: Readable): string {
  const kind = content.kind === "tree" ? "d" : "";
  return join(`${hexOf(blobRow(store, content.blob)).slice(0, 16)}-${kind}${content.mode.toString(8)}`, content.name);
}

/** The entry's path under the cache, held by this process and by `holders`. */
async function copyFor(store: Store, content: Readable, holders: readonly number[]): Promise<{ path: string; isNew: boolean }> {
  const blake3 = await loadBlake3();
  const path = entryPath(store, content);
  const mine = processLease(store);
  // held before the first look: an eviction that runs beside us leaves it alone
  store.transaction(() => {
    for (const lease of [mine.seq, ...holders]) leases.holdEntry(store.db, lease, path);
    entries.reserve(store.db, { path, blob: content.blob, at: store.now() });
  });
  syncPoint("cache.reserved");
  if (isThere(store, blake3, content, path)) return { path, isNew: false };

  const [made, old] = [wayside(store), wayside(store)];
  await writeOut(store, content, made, { removable: true });
  syncPoint("cache.copied");
  const absolute = store.path("cache", path);
  store.transaction(() => {
    // another process was faster, and somebody may be reading its copy already
    if (isThere(store, blake3, content, path)) return;
    takeAway(absolute, old);
    mkdirSync(dirname(absolute), { recursive: true });
    renameSync(made, absolute);
    syncPoint("cache.placed");
    entries.put(store.db, { path, blob: content.blob, size: content.size, stamp: copyStamp(blake3, absolute) as string, at: store.now() });
  });
  syncPoint("cache.entered");
  for (const left of [made, old]) removeTree(left);
  return { path, isNew: true };
}

function isThere(store: Store, blake3: Blake3, content: Readable, path: string): boolean {
  const entry = entries.get(store.db, path);
  return (
    entry !== null && entry.blob === content.blob && entry.stamp !== "" && entry.stamp === copyStamp(blake3, store.path("cache", path))
  );
}

function settle(store: Store, lease: number): void {
  const limits = cacheLimits(store);
  // where nothing is kept, a copy lives as long as its reader: this one's earlier ones too
  const taken = evict(store, limits, isOff(limits) ? undefined : lease);
  const lost = taken.filter((entry) => entry.from === "reader");
  if (lost.length > 0 && store.transaction(() => leases.tellOnce(store.db, lease))) store.say(farewell(lost, limits));
}

function farewell(lost: readonly Taken[], limits: Limits): string {
  const names = lost.map((entry) => basename(entry.path)).slice(0, 3);
  const more = lost.length > names.length ? ` and ${lost.length - names.length} more` : "";
  return `the cache is full (at most ${limits.max_entries} entries and ${formatBytes(limits.max_size)}), so the copies that were got longest ago go: ${names.join(", ")}${more}. coffer cache set-size --max-entries N --max-size S makes more room; what is got inside coffer run stays until the run ends`;
}
