import { closeSync, fstatSync, lstatSync, openSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Hasher } from "../blobs/blake3.ts";
import { FOLLOWING_READ, hashFile, openRegular } from "../blobs/copy.ts";
import { readMember } from "../blobs/pack.ts";
import { decodeTree } from "../blobs/decode-tree.ts";
import type { TreeEntry } from "../blobs/tree.ts";
import * as blobs from "../db/bytes/blobs.ts";
import type { BlobRow } from "../db/bytes/blobs.ts";
import * as damage from "../db/bytes/damage.ts";
import * as foreign from "../db/bytes/foreign-blobs.ts";
import * as packs from "../db/bytes/packs.ts";
import { formatDigest } from "../domain/digest.ts";
import { troubleAdvice, troubleWords } from "../domain/disk-trouble.ts";
import { CofferError, errno } from "../domain/error.ts";
import { noteDamage } from "./damage/damage.ts";
import { sameStamp, stampOf } from "./bytes/stamp.ts";
import type { Store } from "./store.ts";

/** Where a blob's bytes lie: a file of its own (offset 0), or inside a pack. */
export interface Location {
  path: string;
  offset: number;
  size: number;
}

export function blobRow(store: Store, blob: number): BlobRow {
  const row = blobs.bySeq(store.db, blob);
  if (!row) throw new CofferError("CORRUPT", `the row of blob ${blob} is missing`, { hint: "run coffer verify" });
  return row;
}

/**
 * The row of a blob whose bytes somebody has read: those of an import are read and hashed now, at their first use. Where there is another row of the same
 * bytes, the store's own stays, or else the one that was read; artifacts of both name it from now on.
 * @throws CofferError CORRUPT where the bytes are gone or are others; UNREADABLE
 */
export async function readRow(store: Store, blob: number): Promise<BlobRow> {
  const row = blobRow(store, blob);
  return isUnread(row) ? settle(store, row) : row;
}

/** Whether an import told of it, and nobody has read its bytes where they are said to be. */
export function isUnread(row: BlobRow): boolean {
  return row.place === "foreign" && row.mtime_ns === null;
}

/** Whether a file of the right size lies where an import left it. No look at its bytes. */
export function isInPlace(store: Store, row: BlobRow): boolean {
  const stat = lookAt(store, row);
  return stat !== undefined && stat.isFile() && stat.size === BigInt(row.size);
}

export function locate(store: Store, row: BlobRow): Location {
  if (row.place === "pack") {
    const pack = packs.bySeq(store.db, row.pack as number);
    if (!pack) throw new CofferError("CORRUPT", `the pack of ${hexOf(row)} is missing`, { hint: "run coffer verify" });
    return { path: store.path(pack.path), offset: row.offset as number, size: row.size };
  }
  return { path: store.path(row.path as string), offset: 0, size: row.size };
}

/**
 * The path of a blob that has a file of its own, after a look whether anything touched the file since it was hashed, or somebody found it damaged; if so it is hashed again.
 * @throws CofferError CORRUPT where the bytes are not those of the digest
 */
export async function checkedFile(store: Store, row: BlobRow): Promise<string> {
  const { path } = locate(store, row);
  if (isUnread(row)) {
    await settle(store, row);
    return path;
  }
  const fd = openBlob(path, row);
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (stat.size !== BigInt(row.size)) throw corrupt(store, path, row);
    if (!sameStamp(stat, row) || damage.isRecorded(store.db, row.seq)) await hashAgain(store, row, fd, stat, path);
    return path;
  } finally {
    closeSync(fd);
  }
}

/**
 * A whole small blob in memory, with its digest checked.
 * @throws CofferError CORRUPT
 */
export async function readChecked(store: Store, row: BlobRow): Promise<Buffer> {
  const { path, offset } = locate(store, row);
  const bytes = readPacked(path, offset, row);
  const digest = (await loadBlake3()).hash(bytes);
  if (row.blake3 && !Buffer.from(digest).equals(row.blake3)) throw corrupt(store, path, row);
  return bytes;
}

/** A blob's bytes as they lie there, unchecked. @throws CofferError CORRUPT where file or pack is gone or cut short */
function readPacked(path: string, offset: number, row: BlobRow): Buffer {
  try {
    return readMember(path, offset, row.size);
  } catch (error) {
    throw missing(path, row, error);
  }
}

/** The entries of a directory's list. */
export async function readTree(store: Store, tree: number): Promise<TreeEntry[]> {
  return decodeTree(await readChecked(store, blobRow(store, tree)));
}

export function hexOf(row: BlobRow): string {
  return Buffer.from((row.blake3 ?? row.sha256) as Uint8Array).toString("hex");
}

/** Its file, or the pack that it is in. @throws CofferError CORRUPT, UNREADABLE */
export function openBlob(path: string, row: BlobRow): number {
  try {
    const fd = openSync(path, FOLLOWING_READ);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
  } catch (error) {
    throw missing(path, row, error);
  }
  // a device has no end
  throw new CofferError("CORRUPT", `${path} is no regular file (${digestOf(row)})`, {
    hint: "coffer verify --repair looks for another copy",
  });
}

/** The error of bytes that turned out to be others; that is noted. */
export function corrupt(store: Store, path: string, row: BlobRow): CofferError {
  noteDamage(store, row, "changed", "a reader found other bytes");
  return new CofferError("CORRUPT", `the bytes in ${path} are not those of ${digestOf(row)}`, {
    hint: "coffer verify --repair looks for another copy; or log it again. Damaged bytes are never handed out",
  });
}

/** Both digests of an open file, in one pass; at its end its stamp must be what it was before. */
export async function hashTwice(fd: number): Promise<{ blake3: Buffer; sha256: Buffer; size: number }> {
  const blake3 = (await loadBlake3()).hasher();
  const sha256 = new Bun.CryptoHasher("sha256");
  const both: Hasher = {
    update(bytes) {
      blake3.update(bytes);
      sha256.update(bytes);
    },
    digest: () => blake3.digest(),
  };
  const size = await hashFile(fd, both);
  return { blake3: both.digest(), sha256: sha256.digest() as Buffer, size };
}

async function settle(store: Store, row: BlobRow): Promise<BlobRow> {
  const { path } = locate(store, row);
  const { fd, stat } = openForeign(path, row);
  try {
    const found = await hashTwice(fd);
    const isSame = (row.sha256 === null || found.sha256.equals(row.sha256)) && (row.blake3 === null || found.blake3.equals(row.blake3));
    if (!isSame) throw corrupt(store, path, row);
    const after = fstatSync(fd, { bigint: true });
    // where somebody wrote meanwhile, the stamp of before shows it
    const stamp = stampOf(after.mtimeNs === stat.mtimeNs ? after : stat);
    if (store.readOnly) return { ...row, ...found };
    return store.transaction(() => {
      const now = blobs.bySeq(store.db, row.seq);
      const twin = twinOf(store, row.seq, found);
      // another process was faster
      if (!now || !isUnread(now)) return now ?? twin ?? row;
      if (twin && twin.place !== "foreign") {
        // one that a sweep has in its hands goes first: this one is read again next time
        if (twin.state === "trashed") return { ...now, ...found };
        if (twin.state === "condemned") blobs.revive(store.db, twin.seq);
        foreign.merge(store.db, row.seq, twin.seq, found);
        return blobRow(store, twin.seq);
      }
      // where the other one lies nobody looked just now
      if (twin) foreign.merge(store.db, twin.seq, row.seq, found);
      foreign.settle(store.db, row.seq, { ...found, ...stamp });
      return blobRow(store, row.seq);
    });
  } finally {
    closeSync(fd);
  }
}

/** Another row of the same bytes: it may be known by one of the two digests alone. */
function twinOf(store: Store, seq: number, found: { blake3: Buffer; sha256: Buffer }): BlobRow | undefined {
  for (const algorithm of ["blake3", "sha256"] as const) {
    const row = blobs.byDigest(store.db, { algorithm, hex: found[algorithm].toString("hex") });
    if (row && row.seq !== seq) return row;
  }
  return undefined;
}

function lookAt(store: Store, row: BlobRow): BigIntStats | undefined {
  try {
    return lstatSync(locate(store, row).path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // a directory that may not be entered any more
    return undefined;
  }
}

/** It lies in a place that is not ours: it may be anything by now. */
function openForeign(path: string, row: BlobRow): { fd: number; stat: BigIntStats } {
  try {
    return openRegular(path);
  } catch (error) {
    throw missing(path, row, error);
  }
}

async function hashAgain(store: Store, row: BlobRow, fd: number, stat: BigIntStats, path: string): Promise<void> {
  const hasher = (await loadBlake3()).hasher();
  const size = await hashFile(fd, hasher).catch((error: unknown) => {
    throw missing(path, row, error);
  });
  if (size !== row.size || !Buffer.from(hasher.digest()).equals(row.blake3 as Uint8Array)) throw corrupt(store, path, row);
  if (store.readOnly) return;
  store.transaction(() => {
    blobs.restamp(store.db, row.seq, stampOf(stat));
    damage.forget(store.db, row.seq);
  });
}

export function digestOf(row: BlobRow): string {
  return formatDigest({ algorithm: row.blake3 ? "blake3" : "sha256", hex: hexOf(row) });
}

/** The error of bytes that could not be read. */
export function missing(path: string, row: BlobRow, error: unknown): CofferError {
  if (error instanceof CofferError) return error;
  if (errno(error) === "EIO")
    return new CofferError("UNREADABLE", `${path} cannot be read: ${troubleWords("failing")} (EIO)`, {
      hint: `${troubleAdvice("failing")}; coffer verify --repair looks for another copy`,
      cause: error,
    });
  if (errno(error) !== "ENOENT")
    return new CofferError("UNREADABLE", `${path} cannot be read: ${errno(error)}`, { hint: "check its owner and mode", cause: error });
  return new CofferError("CORRUPT", `${path} is gone (${digestOf(row)})`, {
    hint:
      row.place === "foreign"
        ? "an import left these bytes there: put the file back, or log or import it with --copy from where it is now"
        : "coffer verify --repair looks for another copy; or log it again",
  });
}
