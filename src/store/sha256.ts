import { closeSync } from "node:fs";
import { hashFile } from "../blobs/copy.ts";
import type { Hasher } from "../blobs/blake3.ts";
import { readMember } from "../blobs/pack.ts";
import * as blobs from "../db/bytes/blobs.ts";
import * as foreign from "../db/bytes/foreign-blobs.ts";
import { openSource } from "./ingest/open-source.ts";
import { blobRow, corrupt, hashTwice, locate, openBlob, readChecked, readRow } from "./read.ts";
import type { Staged } from "./ingest/staged.ts";
import type { Store } from "./store.ts";

/**
 * SHA-256 of a blob, as 64 hex digits; of a directory that of its list. Where the row does not have it, every byte is read (and held against the
 * BLAKE3 on the way), and the row keeps it.
 * @throws CofferError CORRUPT, UNREADABLE
 */
export async function sha256Of(store: Store, blob: number): Promise<string> {
  // of bytes that nobody has read yet: what their manifest says
  const known = blobRow(store, blob).sha256;
  if (known) return hex(known);
  const row = await readRow(store, blob);
  if (row.sha256) return hex(row.sha256);
  let sha256: Buffer;
  if (row.place === "pack") sha256 = sha256OfBytes(await readChecked(store, row));
  else {
    const { path } = locate(store, row);
    const fd = openBlob(path, row);
    try {
      const found = await hashTwice(fd);
      if (!found.blake3.equals(row.blake3 as Uint8Array)) throw corrupt(store, path, row);
      sha256 = found.sha256;
    } finally {
      closeSync(fd);
    }
  }
  store.transaction(() => {
    // the bytes of an import that nobody has read yet turn out to be these
    const twin = foreign.unread(store.db, sha256);
    if (twin) foreign.merge(store.db, twin.seq, row.seq, { blake3: row.blake3 as Uint8Array, sha256, size: row.size });
    foreign.learnSha256(store.db, row.seq, sha256);
  });
  return hex(sha256);
}

/**
 * SHA-256 of what was staged, by hex BLAKE3: of what has the size of a blob that is known by its SHA-256 alone, so that the same bytes are one blob;
 * or of `all`. What the store had already is left out, but for `all`: then its row is asked, and where that does not know it, its bytes are read.
 * @throws CofferError CORRUPT, UNREADABLE
 */
export async function sha256OfStaged(store: Store, staged: Staged, all: boolean): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const sizes = foreign.unreadSizes(store.db);
  const { blobs: its, pack } = staged;
  if (!all && sizes.size === 0) return found;
  for (let blob = 0; blob < its.count; blob++) {
    const size = its.sizeOf(blob);
    if (!its.has(blob) || (!all && !sizes.has(size))) continue;
    const [blake3, file, offset] = [its.hexOf(blob), its.files.get(blob), its.offsetOf(blob)];
    if (file) found.set(blake3, await sha256OfFile(file.path));
    else if (offset !== undefined && pack) found.set(blake3, sha256OfBytes(readMember(pack.path, offset, size)));
    else if (its.isKnown(blob) && all) {
      const row = blobs.byDigest(store.db, { algorithm: "blake3", hex: blake3 });
      if (row) found.set(blake3, Buffer.from(await sha256Of(store, row.seq), "hex"));
    }
  }
  return found;
}

/** Of a file that is not the store's. @throws CofferError UNREADABLE */
export async function sha256OfFile(path: string): Promise<Buffer> {
  const { fd } = openSource(path);
  try {
    const sha256 = new Bun.CryptoHasher("sha256");
    const hasher: Hasher = { update: (bytes) => void sha256.update(bytes), digest: () => sha256.digest() as Buffer };
    await hashFile(fd, hasher);
    return hasher.digest();
  } finally {
    closeSync(fd);
  }
}

function sha256OfBytes(bytes: Uint8Array): Buffer {
  return new Bun.CryptoHasher("sha256").update(bytes).digest() as Buffer;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
