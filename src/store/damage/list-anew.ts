import type { Blake3 } from "../../blobs/blake3.ts";
import { encodeTree } from "../../blobs/encode-tree.ts";
import type { TreeEntry } from "../../blobs/tree.ts";
import { lstatSync } from "node:fs";
import { CofferError, errno } from "../../domain/error.ts";
import { bringBytes } from "./bring-copy.ts";
import type { Wanted } from "./bring-copy.ts";
import { digestPath } from "../digest-path.ts";
import { walk } from "../ingest/walk.ts";

const USUAL = 0o644;

/**
 * Makes the list of a directory anew from a copy of the directory, and writes it to `to` if it is the one that is wanted. `isMember`: whether
 * rows say that it had a file; the copy may have others, which a rule left out when it was stored.
 */
export async function listAnew(
  directory: string,
  to: string,
  wanted: Wanted,
  isMember: (hex: string) => boolean,
  blake3: Blake3,
): Promise<boolean> {
  const entries: TreeEntry[] = [];
  try {
    const { files, others } = walk(directory, () => false);
    entries.push(...others);
    for (const path of files) {
      const { hex, size } = await digestPath(`${directory}/${path}`);
      entries.push({ kind: "file", path, mode: lstatSync(`${directory}/${path}`).mode & 0o777, hex, size });
    }
  } catch (error) {
    if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
    return false;
  }
  const known = entries.filter((entry) => entry.kind !== "file" || isMember(entry.hex));
  for (const list of known.length === entries.length ? [entries] : [entries, known])
    // a copy that went through a server has lost its modes
    for (const one of [list, list.map((entry) => (entry.kind === "file" ? { ...entry, mode: USUAL } : entry))])
      if (await bringBytes(encodeTree(one), to, wanted, blake3)) return true;
  return false;
}
