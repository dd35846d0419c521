import { chmodSync, closeSync, existsSync, fstatSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Hasher } from "../blobs/blake3.ts";
import { cloneOpened, copyAndHash, hashFile } from "../blobs/copy.ts";
import { writeWhole } from "../blobs/durable.ts";
import { readMember } from "../blobs/pack.ts";
import type { TreeEntry } from "../blobs/tree.ts";
import * as blobs from "../db/blobs.ts";
import type { BlobRow } from "../db/blobs.ts";
import { CofferError, errno, reason } from "../domain/error.ts";
import { blobRow, corrupt, locate, openBlob, readTree } from "./read.ts";
import type { Store } from "./store.ts";

/** What is written: a file's bytes or a directory. */
export interface Content {
  kind: "file" | "tree";
  blob: number;
  /** Permission bits of the file or of the top directory. */
  mode: number;
}

/**
 * Writes an artifact's bytes to `target`, which must not exist; every byte is hashed on the way. A reader never sees half of it:
 * it is written beside and renamed. `stamp` (seconds) is given to every file as its mtime, where one is wanted.
 * @throws CofferError PROTECTED where something is there already; CORRUPT, UNREADABLE
 */
export async function writeOut(store: Store, content: Content, target: string, options: { stamp?: number } = {}): Promise<void> {
  if (lstatSync(target, { throwIfNoEntry: false })) throw new CofferError("PROTECTED", `${target} exists`, { hint: "name another place, or move it away; coffer does not overwrite" });
  const parent = dirname(target);
  const beside = join(parent, `.${basename(target).slice(0, 200)}.${process.pid}.tmp`);
  try {
    mkdirSync(parent, { recursive: true });
    rmSync(beside, { recursive: true, force: true });
    if (content.kind === "tree") await writeTree(store, content, beside, options.stamp);
    else await writeBlob(store, blobRow(store, content.blob), beside, content.mode, options.stamp);
    renameSync(beside, target);
  } catch (error) {
    if (existsSync(beside)) rmSync(beside, { recursive: true, force: true });
    if (error instanceof CofferError || errno(error) === undefined) throw error;
    throw new CofferError("UNREADABLE", `${target} could not be written: ${reason(error)}`, { hint: "check that there is room and that you may write there", cause: error });
  }
}

async function writeTree(store: Store, { blob, mode }: Content, directory: string, stamp: number | undefined): Promise<void> {
  mkdirSync(directory, { mode: 0o700 });
  const made = new Set([""]);
  const makeFor = (path: string): void => {
    const cut = path.lastIndexOf("/");
    const parent = cut === -1 ? "" : path.slice(0, cut);
    if (made.has(parent)) return;
    mkdirSync(join(directory, parent), { recursive: true });
    made.add(parent);
  };
  const modes: [path: string, mode: number][] = [];
  const links: Extract<TreeEntry, { kind: "link" }>[] = [];
  for (const entry of await readTree(store, blob)) {
    makeFor(entry.path);
    const path = join(directory, entry.path);
    if (entry.kind === "link") links.push(entry);
    else if (entry.kind === "directory") {
      mkdirSync(path, { recursive: true });
      modes.push([path, entry.mode]);
    } else {
      const row = blobs.byDigest(store.db, { algorithm: "blake3", hex: entry.hex });
      if (!row) throw new CofferError("CORRUPT", `a file of the directory is missing from the store: ${entry.path}`, { hint: "run coffer verify" });
      await writeBlob(store, row, path, entry.mode, stamp);
    }
  }
  // last, so that no path is ever written through a link
  for (const link of links) symlinkSync(link.target, join(directory, link.path));
  for (const [path, bits] of modes) chmodSync(path, bits);
  chmodSync(directory, mode);
}

async function writeBlob(store: Store, row: BlobRow, target: string, mode: number, stamp: number | undefined): Promise<void> {
  const { path, offset, size } = locate(store, row);
  const blake3 = await loadBlake3();
  let digest: Uint8Array;
  if (row.place === "pack") {
    const bytes = readMember(path, offset, size);
    digest = blake3.hash(bytes);
    const fd = openSync(target, "wx", 0o600);
    try {
      writeWhole(fd, bytes);
    } finally {
      closeSync(fd);
    }
  } else digest = await copyOut(openBlob(path, row), target, blake3.hasher());
  if (!Buffer.from(digest).equals(row.blake3 as Uint8Array)) {
    rmSync(target, { force: true });
    throw corrupt(path, row);
  }
  chmodSync(target, mode);
  if (stamp !== undefined) utimesSync(target, stamp, stamp);
}

async function copyOut(from: number, target: string, hasher: Hasher): Promise<Uint8Array> {
  try {
    if (cloneOpened(from, fstatSync(from, { bigint: true }).dev, target)) {
      const clone = openSync(target, "r");
      await hashFile(clone, hasher).finally(() => closeSync(clone));
    } else {
      const to = openSync(target, "wx", 0o600);
      await copyAndHash(from, to, hasher).finally(() => closeSync(to));
    }
    return hasher.digest();
  } finally {
    closeSync(from);
  }
}
