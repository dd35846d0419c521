import { makeInNewPlace } from "../../blobs/new-place.ts";
import { readRow } from "../read.ts";
import type { Store } from "../store.ts";
import { writeBlob } from "./write-blob.ts";
import { writeTree } from "./write-tree.ts";

/** What is written: a file's bytes or a directory. */
export interface Content {
  kind: "file" | "tree";
  blob: number;
  /** Permission bits of the file or of the top directory. */
  mode: number;
}

/**
 * Writes an artifact's bytes to a place where nothing is; every byte is hashed on the way, and a reader never sees half of it. `removable`: its owner may write to
 * each directory, so that it can be taken away again.
 * @throws CofferError PROTECTED where something is there already; CORRUPT, UNREADABLE
 */
export function writeOut(store: Store, content: Content, target: string, options: { removable?: boolean } = {}): Promise<void> {
  const { kind, blob } = content;
  // whatever the database holds: no bits that make whoever runs it somebody else
  const mode = content.mode & 0o777;
  return makeInNewPlace(target, kind === "tree" ? "directory" : "file", async (beside) => {
    if (kind === "tree") await writeTree(store, { blob, mode }, beside, options.removable ? 0o700 : 0);
    else await writeBlob(store, await readRow(store, blob), beside, mode);
  });
}
