import { lstatSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { sameStamp, stampOf } from "../../store/bytes/stamp.ts";
import type { Store } from "../../store/store.ts";

/** In a transaction: a blob that was linked would be hashed again at its next use otherwise, since a link changes its ctime. */
export function restamp(store: Store, row: BlobRow): void {
  const stat = lstatSync(store.path(row.path as string), { bigint: true, throwIfNoEntry: false });
  if (stat && sameStamp(stat, { ...row, ctime_ns: stat.ctimeNs })) blobs.restamp(store.db, row.seq, stampOf(stat));
}
