import { openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Blake3 } from "../../blobs/blake3.ts";
import { writeWhole } from "../../blobs/durable.ts";
import { PackWriter } from "../../blobs/pack.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { staging } from "../lease.ts";
import type { Lease } from "../lease.ts";
import type { Store } from "../store.ts";
import { Flushes } from "./flushes.ts";
import type { IngestOptions } from "./ingest-unit.ts";
import { KnownBlobs } from "./known-blobs.ts";
import { StagedBlobs } from "./staged-blobs.ts";
import type { StagedFile } from "./staged-blobs.ts";
import type { Staged, StagedUnit } from "./staged.ts";

/** The lease's staging directory, and what lies there by now: blobs by their digests, most small ones in one pack. */
export class StagingArea {
  readonly store: Store;
  readonly options: IngestOptions;
  readonly blake3: Blake3;
  readonly known: KnownBlobs;
  readonly flushes = new Flushes();
  readonly #directory: string;
  readonly blobs = new StagedBlobs();
  /** Of the large ones. */
  readonly #sizes = new Set<number>();
  #pack: PackWriter | undefined;
  #packed = 0;
  #number = 0;
  #hasSurplus = false;

  /** `distrusted`: digests that are staged even where the store seems to have them. */
  constructor(store: Store, lease: Lease, options: IngestOptions, blake3: Blake3, distrusted: ReadonlySet<string>) {
    this.store = store;
    this.options = options;
    this.blake3 = blake3;
    this.known = new KnownBlobs(store, distrusted, blake3);
    this.#directory = staging(store, lease);
    syncPoint("ingest.begun");
  }

  beginPack(): void {
    this.#pack = new PackWriter(this.newName("pack"));
  }

  get hasPack(): boolean {
    return this.#pack !== undefined;
  }

  newName(kind: "blob" | "tree" | "pack"): string {
    return join(this.#directory, `${kind}-${this.#number++}`);
  }

  /** The number of what is staged already, or in the store as far as a look at its file tells: its bytes need not be written. Undefined where it is neither. */
  find(digest: Uint8Array): number | undefined {
    const staged = this.blobs.find(digest);
    if (staged !== undefined) return staged;
    const size = this.known.sizeOf(digest);
    return size === undefined ? undefined : this.blobs.addKnown(digest, size);
  }

  /** The same, and a file that was touched is hashed again. */
  async findIntact(digest: Uint8Array): Promise<number | undefined> {
    const blob = this.find(digest);
    if (blob === undefined || !this.blobs.isKnown(blob) || (await this.known.isIntact(this.blobs.hexOf(blob)))) return blob;
    if (this.blobs.isKnown(blob)) this.blobs.forget(blob);
    return this.find(digest);
  }

  /** The store, or what was staged, has a file of this very size. */
  hasSize(size: bigint): boolean {
    return this.#sizes.has(Number(size)) || this.known.hasFileOf(size);
  }

  /** Reads an opened file into the pack, and returns its number. Undefined where it has not the size that it should have. */
  readIntoPack(fd: number, size: number): number | undefined {
    const pack = this.#pack as PackWriter;
    const bytes = pack.read(fd, size);
    if (!bytes) return undefined;
    const digest = this.blake3.hash(bytes);
    const blob = this.find(digest);
    if (blob !== undefined) return blob;
    this.#packed++;
    return this.blobs.addPacked(digest, size, pack.keep(digest.toString("hex"), size));
  }

  /** A file in the staging directory, on its way to the disk, is a blob. */
  addFile(digest: Uint8Array, size: number, file: StagedFile): number {
    this.#sizes.add(size);
    return this.blobs.addFile(digest, size, file);
  }

  /** A directory's list, in pieces. */
  addList(pieces: readonly Uint8Array[]): number {
    const hasher = this.blake3.hasher();
    for (const piece of pieces) hasher.update(piece);
    const digest = hasher.digest();
    const blob = this.find(digest);
    if (blob !== undefined) return blob;
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (this.#pack) {
      this.#packed++;
      return this.blobs.addPacked(digest, size, this.#pack.addPieces(digest.toString("hex"), pieces, size));
    }
    const path = this.newName("tree");
    const fd = openSync(path, "wx", 0o444);
    let flushed = Promise.resolve();
    try {
      for (const piece of pieces) writeWhole(fd, piece);
      flushed = this.flushes.begin(fd);
    } finally {
      this.flushes.closeAfter(flushed, fd);
    }
    return this.blobs.addFile(digest, size, { path, moved: undefined, type: "tree", class: null, original: "" });
  }

  /** Some file changed while it was read: what was staged of it first is not wanted. */
  expectSurplus(): void {
    this.#hasSurplus = true;
  }

  /** Waits until all of it is durable. */
  async finish(units: readonly StagedUnit[]): Promise<Pick<Staged, "blobs" | "pack" | "doubted">> {
    await this.flushes.all();
    const pack = await this.#finishPack();
    if (this.#hasSurplus) this.#forgetSurplus(units);
    return { blobs: this.blobs, pack, doubted: this.known.doubted };
  }

  /** Nothing of it is wanted: the staging directory goes as a whole later; here, descriptors and flushes end. */
  async abandon(): Promise<void> {
    await this.flushes.settled();
    await this.#pack?.abandon();
  }

  async #finishPack(): Promise<Staged["pack"]> {
    const pack = this.#pack;
    if (!pack) return undefined;
    this.#pack = undefined;
    if (this.#packed > 0) return { path: pack.path, size: await pack.finish() };
    await pack.abandon();
    return undefined;
  }

  #forgetSurplus(units: readonly StagedUnit[]): void {
    const wanted = new Uint8Array(this.blobs.count);
    for (const unit of units) {
      wanted[unit.blob] = 1;
      for (const member of unit.members) wanted[member] = 1;
    }
    for (const [blob, isWanted] of wanted.entries()) {
      if (isWanted === 1 || !this.blobs.has(blob)) continue;
      const file = this.blobs.files.get(blob);
      if (file) rmSync(file.path);
      this.blobs.forget(blob);
    }
  }
}
