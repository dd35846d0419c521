import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { copyChecked } from "../../blobs/copy-checked.ts";
import { writeWhole } from "../../blobs/durable.ts";
import { makeInNewPlace } from "../../blobs/new-place.ts";
import type { TreeEntry } from "../../blobs/tree.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { reading } from "../../db/open/open.ts";
import { CofferError } from "../../domain/error.ts";
import { OpenPacks } from "./open-packs.ts";
import { corrupt, locate, missing, openBlob, readRow, readTree } from "../read.ts";
import type { Store } from "../store.ts";

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
    if (kind === "tree") await writeTree(store, { kind, blob, mode }, beside, options.removable ? 0o700 : 0);
    else await writeBlob(store, await readRow(store, blob), beside, mode);
  });
}

async function writeTree(store: Store, { blob, mode }: Content, directory: string, atLeast: number): Promise<void> {
  mkdirSync(directory, { mode: 0o700 });
  /** By path, each behind the one that it lies in. */
  const made = new Map([["", mode]]);
  const make = (path: string, bits: number): void => {
    if (made.has(path)) return;
    makeAbove(path);
    mkdirSync(join(directory, path), { mode: 0o700 });
    made.set(path, bits);
  };
  const makeAbove = (path: string): void => {
    const cut = path.lastIndexOf("/");
    if (cut !== -1) make(path.slice(0, cut), 0o755);
  };
  const links: Extract<TreeEntry, { kind: "link" }>[] = [];
  const files: FileEntry[] = [];
  for (const entry of await readTree(store, blob)) {
    if (entry.kind === "directory") {
      make(entry.path, entry.mode);
      made.set(entry.path, entry.mode);
      continue;
    }
    makeAbove(entry.path);
    if (entry.kind === "link") links.push(entry);
    else files.push(entry);
  }
  await writeFiles(store, directory, files);
  // last, so that no path is ever written through a link
  for (const link of links) symlinkSync(link.target, join(directory, link.path));
  // the innermost first: a directory may forbid the way into it
  for (const [path, bits] of [...made].reverse()) chmodSync(join(directory, path), bits | atLeast);
}

type FileEntry = Extract<TreeEntry, { kind: "file" }>;

const FILES_PER_TURN = 256;

async function writeFiles(store: Store, directory: string, files: readonly FileEntry[]): Promise<void> {
  const blake3 = await loadBlake3();
  using packs = new OpenPacks(store);
  for (let at = 0; at < files.length; at += FILES_PER_TURN) {
    const large: { row: BlobRow; entry: FileEntry }[] = [];
    const hurt: { row: BlobRow; path: string }[] = [];
    // one read transaction for many look-ups: alone, each would take and drop the lock
    reading(store.db, () => {
      for (const entry of files.slice(at, at + FILES_PER_TURN)) {
        const row = blobs.byDigest(store.db, { algorithm: "blake3", hex: entry.hex });
        if (!row)
          throw new CofferError("CORRUPT", `a file of the directory is missing from the store: ${entry.path}`, {
            hint: "run coffer verify",
          });
        if (row.place !== "pack") {
          large.push({ row, entry });
          continue;
        }
        const path = writePacked(packs, row, join(directory, entry.path), entry.mode, blake3);
        if (path !== undefined) return void hurt.push({ row, path });
      }
    });
    // said outside of the transaction, which would take back what is noted of it
    for (const { row, path } of hurt) throw corrupt(store, path, row);
    for (const { row, entry } of large) await writeLarge(store, row, join(directory, entry.path), entry.mode, blake3);
    await yieldToSignals();
  }
}

async function writeBlob(store: Store, row: BlobRow, target: string, mode: number): Promise<void> {
  const blake3 = await loadBlake3();
  if (row.place !== "pack") return writeLarge(store, row, target, mode, blake3);
  using packs = new OpenPacks(store);
  const path = writePacked(packs, row, target, mode, blake3);
  if (path !== undefined) throw corrupt(store, path, row);
}

/** The pack, where its bytes are others: nothing is written then. */
function writePacked(packs: OpenPacks, row: BlobRow, target: string, mode: number, blake3: Blake3): string | undefined {
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

async function writeLarge(store: Store, row: BlobRow, target: string, mode: number, blake3: Blake3): Promise<void> {
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
