import { closeSync, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Blake3 } from "../blobs/blake3.ts";
import { decodeTree } from "../blobs/tree.ts";
import * as blobs from "../db/blobs.ts";
import type { BlobRow } from "../db/blobs.ts";
import * as foreign from "../db/foreign-blobs.ts";
import * as integrity from "../db/integrity.ts";
import * as packs from "../db/packs.ts";
import { CofferError, errno, isMalformed, reason } from "../domain/error.ts";
import { digestOf, isUnread, locate, readChecked, readRow } from "./read.ts";
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
  /** Blobs whose bytes an import had left elsewhere, and that nobody had read before. */
  unverified: number;
  damage: Damage[];
}

const CHUNK = 4 << 20;

/**
 * Reads the bytes of every blob again and holds them against their digests; looks whether each directory's files are all there,
 * and whether the database is whole. `share` (0–1] takes a random part of the blobs. Changes nothing, but that what an import left elsewhere counts as read
 * from now on; others may work meanwhile.
 */
export async function verify(
  store: Store,
  options: { share: number; random: () => number; progress?: (bytes: number) => void },
): Promise<Verified> {
  const found: Verified = { blobs: 0, bytes: 0, unverified: 0, damage: [] };
  try {
    checkDatabase(store, found);
    await checkBytes(store, options, found);
  } catch (error) {
    if (!isMalformed(error)) throw error;
    // the rest cannot be known
    if (!found.damage.some((one) => one.what === "database")) found.damage.push(databaseDamage(store.path("coffer.db"), reason(error)));
  }
  return found;
}

/** What is said of a database that cannot even be asked. */
export function databaseDamage(path: string, detail: string): Damage {
  return { digest: "", path, what: "database", detail };
}

async function checkBytes(store: Store, options: Parameters<typeof verify>[1], found: Verified): Promise<void> {
  const reader = new Reader(await loadBlake3());
  try {
    for (const seq of [...integrity.ownBlobs(store.db), ...foreign.all(store.db)]) {
      if (options.share < 1 && options.random() >= options.share) continue;
      for (let row = present(store, seq); row;) {
        const wasUnread = isUnread(row);
        const damage = wasUnread ? await checkUnread(store, row) : await reader.check(store, row);
        const again = damage && present(store, seq);
        if (again && (again.path !== row.path || again.pack !== row.pack || again.offset !== row.offset)) {
          // it was moved while it was read
          row = again;
          continue;
        }
        // one that was swept meanwhile is not missing
        if (damage && again) found.damage.push(damage);
        if (wasUnread) found.unverified++;
        found.blobs++;
        found.bytes += row.size;
        options.progress?.(found.bytes);
        break;
      }
    }
  } finally {
    reader.close();
  }
  const reported = new Set(found.damage.map((one) => one.digest));
  found.damage.push(...(await checkTrees(store)).filter((one) => one.what === "incomplete tree" || !reported.has(one.digest)));
}

/** The row of a blob whose bytes should be there. */
function present(store: Store, seq: number): BlobRow | undefined {
  const row = blobs.bySeq(store.db, seq);
  return row && row.state !== "trashed" ? row : undefined;
}

/** Bytes that nobody has read since a manifest told of them. */
async function checkUnread(store: Store, row: BlobRow): Promise<Damage | undefined> {
  try {
    await readRow(store, row.seq);
    return undefined;
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    const { path } = locate(store, row);
    const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const what = error.code !== "CORRUPT" ? "unreadable" : isThere ? "changed" : "missing";
    return { digest: digestOf(row), path, what, detail: error.message };
  }
}

class Reader {
  readonly #blake3: Blake3;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK);
  #open: { path: string; fd: number } | undefined;
  #unyielded = 0;

  constructor(blake3: Blake3) {
    this.#blake3 = blake3;
  }

  async check(store: Store, row: BlobRow): Promise<Damage | undefined> {
    const pack = row.pack === null ? undefined : packs.bySeq(store.db, row.pack);
    const path = row.place === "pack" ? (pack ? store.path(pack.path) : "(a pack without a row)") : store.path(row.path as string);
    const hurt = (what: Damage["what"], detail: string): Damage => ({ digest: digestOf(row), path, what, detail });
    try {
      const fd = this.#opened(path);
      if (row.place !== "pack") {
        const { size } = fstatSync(fd);
        if (size !== row.size) return hurt(size < row.size ? "short" : "changed", `${size} bytes instead of ${row.size}`);
      }
      const hasher = this.#blake3.hasher();
      const start = row.offset ?? 0;
      let at = 0;
      while (at < row.size) {
        const read = readSync(fd, this.#buffer, 0, Math.min(CHUNK, row.size - at), start + at);
        if (read === 0) return hurt("short", `${at} bytes instead of ${row.size}`);
        hasher.update(read === CHUNK ? this.#buffer : this.#buffer.subarray(0, read));
        at += read;
        await this.#yield(read);
      }
      return Buffer.from(hasher.digest()).equals(row.blake3 as Uint8Array)
        ? undefined
        : hurt("changed", "its bytes are not those of its digest");
    } catch (error) {
      return hurt(errno(error) === "ENOENT" ? "missing" : "unreadable", reason(error));
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #opened(path: string): number {
    if (this.#open?.path === path) return this.#open.fd;
    this.close();
    return (this.#open = { path, fd: openSync(path, "r") }).fd;
  }

  /** Between some megabytes, signals are handled. */
  async #yield(read: number): Promise<void> {
    this.#unyielded += read;
    if (this.#unyielded < CHUNK) return;
    this.#unyielded = 0;
    await yieldToSignals();
  }
}

function checkDatabase(store: Store, found: Verified): void {
  const hurt = (detail: string) => found.damage.push(databaseDamage(store.path("coffer.db"), detail));
  for (const fault of integrity.faults(store.db)) hurt(fault);
  for (const row of integrity.danglingRows(store.db)) hurt(`row ${row.rowid} of ${row.table} names a row that is not there`);
}

async function checkTrees(store: Store): Promise<Damage[]> {
  const damage: Damage[] = [];
  for (const seq of integrity.liveTrees(store.db)) {
    const row = present(store, seq);
    if (!row) continue;
    const hurt = (what: Damage["what"], detail: string): Damage => ({
      digest: digestOf(row),
      path: locate(store, row).path,
      what,
      detail,
    });
    const its: Damage[] = [];
    try {
      for (const entry of decodeTree(await readChecked(store, row)))
        if (entry.kind === "file" && !integrity.hasMember(store.db, seq, Buffer.from(entry.hex, "hex")))
          its.push(hurt("incomplete tree", `${entry.path} is not in the store`));
    } catch (error) {
      its.push(hurt("changed", reason(error)));
    }
    // a directory that was swept meanwhile lacks nothing
    if (its.length > 0 && present(store, seq)) damage.push(...its);
  }
  return damage;
}
