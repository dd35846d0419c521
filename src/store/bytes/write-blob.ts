import { chmodSync, closeSync, fchmodSync, openSync, rmSync } from "node:fs";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { copyChecked } from "../../blobs/copy-checked.ts";
import { writeWhole } from "../../blobs/durable.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { corrupt, locate, missing, openBlob } from "../read.ts";
import type { Store } from "../store.ts";
import { OpenPacks } from "./open-packs.ts";

/** Writes one blob to a place where nothing is. @throws CofferError CORRUPT, UNREADABLE */
export async function writeBlob(store: Store, row: BlobRow, target: string, mode: number): Promise<void> {
  const blake3 = await loadBlake3();
  if (row.place !== "pack") return writeLarge(store, row, target, mode, blake3);
  using packs = new OpenPacks(store);
  const path = writePacked(packs, row, target, mode, blake3);
  if (path !== undefined) throw corrupt(store, path, row);
}

/** The pack, where its bytes are others: nothing is written then. */
export function writePacked(packs: OpenPacks, row: BlobRow, target: string, mode: number, blake3: Blake3): string | undefined {
  const { bytes, path } = packs.read(row);
  if (!blake3.hash(bytes).equals(row.blake3 as Uint8Array)) return path;
  const fd = openSync(target, "wx", 0o600);
  try {
    writeWhole(fd, bytes);
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
  return undefined;
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
