import { lstatSync } from "node:fs";
import * as blobs from "../db/blobs.ts";
import * as packs from "../db/packs.ts";
import { CofferError } from "../domain/error.ts";
import { checkedFile } from "./read.ts";
import type { Store } from "./store.ts";

/**
 * What the store has already, asked for each file that is read. A row is not taken at its word: where its file is gone, cut short, or was touched
 * and is not what it was, the digest is doubted, and what was read takes its place. So logging a file again mends a damaged blob.
 */
export class KnownBlobs {
  /** Digests whose bytes in the store are lost or damaged. */
  readonly doubted = new Set<string>();
  readonly #store: Store;
  readonly #distrusted: ReadonlySet<string>;
  readonly #isEmpty: boolean;
  readonly #intact = new Set<string>();
  readonly #packs = new Map<number, boolean>();

  /** `distrusted`: what the store seemed to have, and then had not. */
  constructor(store: Store, distrusted: ReadonlySet<string>) {
    this.#store = store;
    this.#distrusted = distrusted;
    this.#isEmpty = blobs.isEmpty(store.db);
  }

  /** The size of a blob that is there as far as a look at its file tells; undefined where it is not. */
  sizeOf(hex: string, digest: Uint8Array): number | undefined {
    if (this.#isEmpty || this.#distrusted.has(hex) || this.doubted.has(hex)) return undefined;
    const row = blobs.known(this.#store.db, digest);
    if (!row || (row.state !== "live" && row.state !== "condemned")) return undefined;
    const isThere = row.place === "pack" ? this.#isPackThere(row.pack as number) : this.#sizeOnDisk(row.path as string) === row.size;
    if (isThere) return row.size;
    this.doubted.add(hex);
    return undefined;
  }

  /** Hashes the file of a blob that somebody touched since it was hashed last. */
  async isIntact(hex: string): Promise<boolean> {
    if (this.#intact.has(hex)) return true;
    const row = blobs.byDigest(this.#store.db, { algorithm: "blake3", hex });
    try {
      if (row?.place === "file") await checkedFile(this.#store, row);
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      this.doubted.add(hex);
      return false;
    }
    this.#intact.add(hex);
    return true;
  }

  /** Whether a blob with a file of its own has this size: only then is it worth hashing a file before it is copied. */
  hasFileOf(size: bigint): boolean {
    return !this.#isEmpty && blobs.hasFileOfSize(this.#store.db, size);
  }

  #isPackThere(seq: number): boolean {
    let isThere = this.#packs.get(seq);
    if (isThere === undefined) {
      const row = packs.bySeq(this.#store.db, seq);
      this.#packs.set(seq, (isThere = row !== null && this.#sizeOnDisk(row.path) === row.size));
    }
    return isThere;
  }

  #sizeOnDisk(path: string): number | undefined {
    return lstatSync(this.#store.path(path), { throwIfNoEntry: false })?.size;
  }
}
