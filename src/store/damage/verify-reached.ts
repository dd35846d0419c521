import type { BlobRow } from "../../db/bytes/blobs.ts";
import type { Reached } from "../../db/check/integrity.ts";
import * as metadata from "../../db/open/metadata.ts";
import { reason } from "../../domain/error.ts";
import type { Store } from "../store.ts";

const KEY = "verify.reached";

/** How far the last look at all blobs had come when it was interrupted; undefined where it was not. */
export function readReached(store: Store): Reached | undefined {
  const [pack, offset, seq] = (metadata.get(store.db, KEY) ?? "").split(" ").map(Number);
  return pack === undefined || offset === undefined || seq === undefined ? undefined : { pack, offset, seq };
}

/** `last`: the one that was read last; undefined where all were. */
export function rememberReached(store: Store, last: Pick<BlobRow, "pack" | "offset" | "seq"> | undefined): void {
  if (!last && (store.readOnly || metadata.get(store.db, KEY) === undefined)) return;
  try {
    store.transaction(() => {
      if (last) metadata.set(store.db, KEY, `${last.pack ?? 0} ${last.offset ?? 0} ${last.seq}`);
      else metadata.remove(store.db, KEY);
    });
  } catch (error) {
    store.say(`how far this came could not be noted: ${reason(error)}`);
  }
}
