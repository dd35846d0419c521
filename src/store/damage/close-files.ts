import { chmodSync, lstatSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import * as packs from "../../db/bytes/packs.ts";
import { errno, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { keepStamp, sameStamp, stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";
import type { Repair } from "./repair.ts";
import type { Verified } from "./verify.ts";

/** Files that others could write to, and whose bytes are right. */
export function closeFiles(store: Store, found: Verified, done: Repair): void {
  for (const { path, what, of, seq } of found.touched) {
    if (what !== "writable") continue;
    try {
      const known = of === "blob" ? blobs.bySeq(store.db, seq) : packs.stampOf(store.db, seq);
      if (!known || !sameStamp(lstatSync(path, { bigint: true }), known)) continue;
      chmodSync(path, 0o444);
      syncPoint("repair.closed");
      store.transaction(() => keepStamp(store, of, seq, stampOf(lstatSync(path, { bigint: true }))));
      done.closed.push(path);
    } catch (error) {
      if (errno(error) === undefined) throw error;
      done.failed.push({ path, error: reason(error) });
    }
  }
}
