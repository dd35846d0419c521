import { chmodSync, closeSync, rmSync } from "node:fs";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { copyChecked } from "../../blobs/copy-checked.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { corrupt, locate, missing, openBlob } from "../read.ts";
import type { Store } from "../store.ts";
import { NewFiles } from "./new-files.ts";
import { OpenPacks } from "./open-packs.ts";

/** Writes one blob to a place where nothing is. @throws CofferError CORRUPT, UNREADABLE */
export async function writeBlob(store: Store, row: BlobRow, target: string, mode: number): Promise<void> {
  const blake3 = await loadBlake3();
  if (row.place !== "pack") return writeLarge(store, row, target, mode, blake3);
  using packs = new OpenPacks(store);
  if (!writePacked({ packs, files: new NewFiles(), blake3 }, row, target, mode)) throw corrupt(store, locate(store, row).path, row);
}

/** False where its bytes are others: nothing is written then. @throws CofferError CORRUPT, UNREADABLE */
export function writePacked(
  { packs, files, blake3 }: { packs: OpenPacks; files: NewFiles; blake3: Blake3 },
  row: BlobRow,
  target: string,
  mode: number,
): boolean {
  const { bytes } = packs.read(row);
  if (!blake3.hash(bytes).equals(row.blake3 as Uint8Array)) return false;
  files.write(target, bytes, mode);
  return true;
}

/** What has a file of its own, piece by piece. */
export async function writeLarge(store: Store, row: BlobRow, target: string, mode: number, blake3: Blake3): Promise<void> {
  const { path } = locate(store, row);
  const from = openBlob(path, row);
  const isRight = await copyChecked(from, target, row.blake3 as Uint8Array, blake3)
    .catch((error: unknown) => {
      // of the copy it would be a write
      throw (error as NodeJS.ErrnoException).syscall === "read" ? missing(path, row, error) : error;
    })
    .finally(() => closeSync(from));
  if (!isRight) {
    rmSync(target, { force: true });
    throw corrupt(store, path, row);
  }
  chmodSync(target, mode);
}
