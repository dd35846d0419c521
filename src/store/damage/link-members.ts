import { decodeTree } from "../../blobs/decode-tree.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { locate } from "../read.ts";
import type { Store } from "../store.ts";

/**
 * Tells the database which of its blobs lie in a directory whose list has come back: a rebuild without the list could not know, and gc would take them for
 * bytes that nobody names. In the transaction that makes the list whole again. What the list names and no row has is found by the look that follows.
 */
export function linkMembers(store: Store, tree: number, list: Uint8Array): void {
  const members: number[] = [];
  for (const entry of entriesOf(list)) {
    const member = entry.kind === "file" ? blobs.known(store.db, Buffer.from(entry.hex, "hex")) : null;
    if (!member || member.state === "trashed") continue;
    if (member.state === "condemned") blobs.revive(store.db, member.seq);
    members.push(member.seq);
  }
  blobs.insertMembers(
    store.db,
    tree,
    members.toSorted((a, b) => a - b),
  );
}

/** Tells it of one. Returns where its bytes lie; undefined where the store does not have them. */
export function linkMember(store: Store, tree: number, digest: Digest): string | undefined {
  return store.transaction(() => {
    const row = blobs.byDigest(store.db, digest);
    if (!row || row.state === "trashed") return undefined;
    if (row.state === "condemned") blobs.revive(store.db, row.seq);
    blobs.insertMembers(store.db, tree, [row.seq]);
    return locate(store, row).path;
  });
}

/** Bytes that are right, and that only look like a list of ours to a row that is wrong, name nothing. */
function entriesOf(list: Uint8Array): ReturnType<typeof decodeTree> {
  try {
    return decodeTree(list);
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    return [];
  }
}
