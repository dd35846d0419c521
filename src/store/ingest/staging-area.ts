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
import type { Staged, StagedBlob, StagedUnit } from "./staged.ts";

/** The lease's staging directory, and what lies there by now: blobs by their digests, most small ones in one pack. */
export class StagingArea {
  readonly store: Store;
  readonly options: IngestOptions;
  readonly blake3: Blake3;
  readonly known: KnownBlobs;
  readonly flushes = new Flushes();
  readonly #directory: string;
  readonly #blobs = new Map<string, StagedBlob>();
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

  /** Staged already, or in the store as far as a look at its file tells: then its bytes need not be written. */
  has(hex: string, digest: Uint8Array): boolean {
    if (this.#blobs.has(hex)) return true;
    const size = this.known.sizeOf(hex, digest);
    if (size === undefined) return false;
    this.#blobs.set(hex, { hex, size, bytes: { from: "known" } });
    return true;
  }

  /** The same, and a file that was touched is hashed again. */
  async hasIntact(hex: string, digest: Uint8Array): Promise<boolean> {
    if (!this.has(hex, digest)) return false;
    if (this.#blobs.get(hex)?.bytes.from !== "known" || (await this.known.isIntact(hex))) return true;
    if (this.#blobs.get(hex)?.bytes.from === "known") this.#blobs.delete(hex);
    return this.has(hex, digest);
  }

  /** The store, or what was staged, has a file of this very size. */
  hasSize(size: bigint): boolean {
    return this.#sizes.has(Number(size)) || this.known.hasFileOf(size);
  }

  sizeOf(hex: string): number {
    return (this.#blobs.get(hex) as StagedBlob).size;
  }

  /** Reads an opened file into the pack. Undefined where it has not the size that it should have. */
  readIntoPack(fd: number, size: number): string | undefined {
    const pack = this.#pack as PackWriter;
    const bytes = pack.read(fd, size);
    if (!bytes) return undefined;
    const digest = this.blake3.hash(bytes);
    const hex = digest.toString("hex");
    if (!this.has(hex, digest)) {
      this.#blobs.set(hex, { hex, size, bytes: { from: "pack", offset: pack.keep(hex, size) } });
      this.#packed++;
    }
    return hex;
  }

  /** A file in the staging directory, on its way to the disk, is a blob. */
  addFile(hex: string, size: number, file: Omit<Extract<StagedBlob["bytes"], { from: "file" }>, "from">): void {
    this.#sizes.add(size);
    this.#blobs.set(hex, { hex, size, bytes: { from: "file", ...file } });
  }

  /** A directory's list. */
  addList(list: Buffer): string {
    const digest = this.blake3.hash(list);
    const hex = digest.toString("hex");
    if (this.has(hex, digest)) return hex;
    const size = list.length;
    if (this.#pack) {
      this.#blobs.set(hex, { hex, size, bytes: { from: "pack", offset: this.#pack.add(hex, list) } });
      this.#packed++;
      return hex;
    }
    const path = this.newName("tree");
    const fd = openSync(path, "wx", 0o444);
    let flushed = Promise.resolve();
    try {
      writeWhole(fd, list);
      flushed = this.flushes.begin(fd);
    } finally {
      this.flushes.closeAfter(flushed, fd);
    }
    this.#blobs.set(hex, { hex, size, bytes: { from: "file", path, moved: undefined, type: "tree", class: null, original: "" } });
    return hex;
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
    return { blobs: this.#blobs, pack, doubted: this.known.doubted };
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
    // flatMap over 20,000 members takes a tenth of a second
    const wanted = new Set<string>();
    for (const unit of units) {
      wanted.add(unit.hex);
      for (const member of unit.members) wanted.add(member);
    }
    for (const [hex, { bytes }] of this.#blobs) {
      if (wanted.has(hex)) continue;
      if (bytes.from === "file") rmSync(bytes.path);
      this.#blobs.delete(hex);
    }
  }
}
