import { openSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { formatDigest } from "../../domain/digest.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError, reason } from "../../domain/error.ts";
import type { UploadSource } from "../../mlflow/artifacts/upload-source.ts";
import { checkedFile, isUnread, locate, readChecked, readRow } from "../../store/read.ts";
import type { Store } from "../../store/store.ts";

/** A blob, and how to send it. */
export interface StoredSource {
  row: BlobRow;
  source: UploadSource;
}

/**
 * A blob as something to send, after a look whether its bytes are still those that were hashed: damaged ones never leave the store.
 * @throws CofferError CORRUPT, UNREADABLE
 */
export async function storedSource(store: Store, digest: Digest): Promise<StoredSource> {
  const found = blobs.byDigest(store.db, digest);
  if (!found) throw new CofferError("CORRUPT", `${formatDigest(digest)} is missing from the store`, { hint: "run coffer verify" });
  const row = isUnread(found) ? await readRow(store, found.seq) : found;
  // a packed one is small, and its pack has no stamp of its own: it is hashed
  const bytes = row.place === "pack" ? await readChecked(store, row) : undefined;
  if (!bytes) await checkedFile(store, row);
  const open = (): { fd: number; offset: number } => {
    const { path, offset } = locate(store, row);
    try {
      return { fd: openSync(path, "r"), offset };
    } catch (error) {
      throw new CofferError("UNREADABLE", `${path} cannot be read: ${reason(error)}`, { hint: "run coffer verify", cause: error });
    }
  };
  // a file that an import left elsewhere is somebody's: whoever writes to it must not write to a link of ours
  return { row, source: { size: row.size, open, ...(bytes && { bytes }), ...(row.place === "file" && { path: locate(store, row).path }) } };
}
