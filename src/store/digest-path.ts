import { closeSync, lstatSync } from "node:fs";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Blake3 } from "../blobs/blake3.ts";
import { hashFile, openRegular } from "../blobs/copy.ts";
import { encodeTree } from "../blobs/encode-tree.ts";
import type { TreeEntry } from "../blobs/tree.ts";
import { CofferError, reason } from "../domain/error.ts";
import { walk } from "./ingest/walk.ts";

/**
 * The digest that a file or directory would have as an artifact, and its size; nothing is stored.
 * @throws CofferError UNREADABLE
 */
export async function digestPath(path: string): Promise<{ hex: string; size: number }> {
  const blake3 = await loadBlake3();
  try {
    if (!lstatSync(path).isDirectory()) return await digestFile(blake3, path);
    const { files, others } = walk(path, () => false);
    const entries: TreeEntry[] = [...others];
    let total = 0;
    for (const file of files) {
      const { hex, size, mode } = await digestFile(blake3, `${path}/${file}`);
      entries.push({ kind: "file", path: file, mode, hex, size });
      total += size;
    }
    return { hex: Buffer.from(blake3.hash(encodeTree(entries))).toString("hex"), size: total };
  } catch (error) {
    if (error instanceof CofferError) throw error;
    throw new CofferError("UNREADABLE", `${path} cannot be read: ${reason(error)}`, {
      hint: "check that it exists and that you may read it",
      cause: error,
    });
  }
}

async function digestFile(blake3: Blake3, path: string): Promise<{ hex: string; size: number; mode: number }> {
  const { fd, stat } = openRegular(path);
  try {
    const hasher = blake3.hasher();
    const size = await hashFile(fd, hasher);
    return { hex: Buffer.from(hasher.digest()).toString("hex"), size, mode: Number(stat.mode) & 0o777 };
  } finally {
    closeSync(fd);
  }
}
