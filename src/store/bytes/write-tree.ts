import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { treeEntries } from "../../blobs/decode-tree.ts";
import type { TreeEntry } from "../../blobs/tree.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { reading } from "../../db/open/open.ts";
import { CofferError } from "../../domain/error.ts";
import { blobRow, corrupt, locate, readChecked } from "../read.ts";
import type { Store } from "../store.ts";
import { NewFiles } from "./new-files.ts";
import { OpenPacks } from "./open-packs.ts";
import { PackedPlaces } from "./packed-places.ts";
import { writeLarge, writePacked } from "./write-blob.ts";

type FileEntry = Extract<TreeEntry, { kind: "file" }>;

const FILES_PER_TURN = 256;

/**
 * Writes a directory to a place where nothing is. Its list is gone through once, and what it names is made on the way. `atLeast`: bits that each directory gets besides its own.
 * @throws CofferError CORRUPT, UNREADABLE
 */
export async function writeTree(store: Store, tree: { blob: number; mode: number }, directory: string, atLeast: number): Promise<void> {
  const list = await readChecked(store, blobRow(store, tree.blob));
  // nobody else sees into it before the end, whatever the files in it allow
  mkdirSync(directory, { mode: 0o700 });
  /** By path, each behind the one that it lies in. */
  const made = new Map([["", tree.mode]]);
  const make = (path: string, bits: number): void => {
    if (made.has(path)) return;
    makeAbove(path);
    mkdirSync(`${directory}/${path}`, { mode: 0o700 });
    made.set(path, bits);
  };
  const makeAbove = (path: string): void => {
    const cut = path.lastIndexOf("/");
    if (cut !== -1) make(path.slice(0, cut), 0o755);
  };
  const links: Extract<TreeEntry, { kind: "link" }>[] = [];
  using files = new TreeFiles(store, tree.blob, directory, await loadBlake3());
  let turn: FileEntry[] = [];
  for (const entry of treeEntries(list)) {
    if (entry.kind === "directory") {
      make(entry.path, entry.mode);
      made.set(entry.path, entry.mode);
      continue;
    }
    makeAbove(entry.path);
    if (entry.kind === "link") links.push(entry);
    else if (turn.push(entry) === FILES_PER_TURN) {
      await files.write(turn);
      turn = [];
    }
  }
  await files.write(turn);
  // last, so that no path is ever written through a link
  for (const link of links) symlinkSync(link.target, `${directory}/${link.path}`);
  // the innermost first: a directory may forbid the way into it
  for (const [path, bits] of [...made].reverse()) chmodSync(`${directory}/${path}`, bits | atLeast);
}

class TreeFiles implements Disposable {
  readonly #store: Store;
  readonly #tree: number;
  readonly #directory: string;
  readonly #blake3: Blake3;
  readonly #packs: OpenPacks;
  readonly #new = new NewFiles();
  #places: PackedPlaces | undefined;

  constructor(store: Store, tree: number, directory: string, blake3: Blake3) {
    this.#store = store;
    this.#tree = tree;
    this.#directory = directory;
    this.#blake3 = blake3;
    this.#packs = new OpenPacks(store);
  }

  async write(files: readonly FileEntry[]): Promise<void> {
    await this.#writeByRows(this.#places ? files.filter((entry) => !this.#writeByHint(entry)) : files);
    // few files are found sooner one by one
    if (files.length === FILES_PER_TURN) this.#places ??= await PackedPlaces.read(this.#store, this.#tree);
    await yieldToSignals();
  }

  [Symbol.dispose](): void {
    this.#packs[Symbol.dispose]();
  }

  /** False where the hint does not lead to the bytes, whatever the reason: then nothing is written, and the file's row says where they are, or what is wrong. */
  #writeByHint(entry: FileEntry): boolean {
    const at = this.#places?.of(entry.hex);
    const bytes = at && this.#packs.glance(at.pack, at.offset, entry.size);
    if (!bytes || this.#blake3.hash(bytes).toString("hex") !== entry.hex) return false;
    this.#new.write(`${this.#directory}/${entry.path}`, bytes, entry.mode);
    return true;
  }

  async #writeByRows(files: readonly FileEntry[]): Promise<void> {
    if (files.length === 0) return;
    const store = this.#store;
    const large: { row: BlobRow; entry: FileEntry }[] = [];
    // one read transaction for many look-ups: alone, each would take and drop the lock
    const hurt = reading(store.db, () => {
      for (const entry of files) {
        const row = blobs.byDigest(store.db, { algorithm: "blake3", hex: entry.hex });
        if (!row)
          throw new CofferError("CORRUPT", `a file of the directory is missing from the store: ${entry.path}`, {
            hint: "run coffer verify",
          });
        if (row.place !== "pack") {
          large.push({ row, entry });
          continue;
        }
        const to = { packs: this.#packs, files: this.#new, blake3: this.#blake3 };
        if (!writePacked(to, row, `${this.#directory}/${entry.path}`, entry.mode)) return row;
      }
      return undefined;
    });
    // said outside of the transaction, which would take back what is noted of it
    if (hurt) throw corrupt(store, locate(store, hurt).path, hurt);
    for (const { row, entry } of large) await writeLarge(store, row, `${this.#directory}/${entry.path}`, entry.mode, this.#blake3);
  }
}
