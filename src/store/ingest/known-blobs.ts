import { lstatSync } from "node:fs";
import type { Blake3 } from "../../blobs/blake3.ts";
import { readMember } from "../../blobs/pack.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as damage from "../../db/bytes/damage.ts";
import * as packs from "../../db/bytes/packs.ts";
import * as treeMembers from "../../db/bytes/tree-members.ts";
import { CofferError } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { checkedFile } from "../read.ts";
import { sameStamp } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";

/** Below this, and untyped, a blob may go into a pack. Bytes. */
export const SMALL = 128 * 1024;

/**
 * What the store has already, asked for each file that is read. A row is not taken at its word, since a scratch workspace may hold the last good copy:
 * where the file or pack was touched since it was written, the bytes are hashed, and where they are not what they were, the digest is doubted, and what
 * was read takes its place. So logging a file again mends a damaged blob.
 */
export class KnownBlobs {
  /** Digests whose bytes in the store are lost or damaged. */
  readonly doubted = new Set<string>();
  readonly #store: Store;
  readonly #distrusted: ReadonlySet<string>;
  readonly #isEmpty: boolean;
  /** seqs of what somebody found damaged. */
  readonly #damaged: ReadonlySet<number>;
  readonly #intact = new Set<string>();
  readonly #packs = new Map<number, { path: string; untouched: boolean } | undefined>();
  readonly #blake3: Blake3;

  /** `distrusted`: what the store seemed to have, and then had not. */
  constructor(store: Store, distrusted: ReadonlySet<string>, blake3: Blake3) {
    this.#store = store;
    this.#blake3 = blake3;
    this.#distrusted = distrusted;
    this.#isEmpty = blobs.isEmpty(store.db);
    this.#damaged = damage.all(store.db);
  }

  /** The size of a blob that is there as far as a look at its file tells; undefined where it is not. */
  sizeOf(digest: Uint8Array): number | undefined {
    if (this.#isEmpty || this.#isRefused(digest)) return undefined;
    const row = blobs.known(this.#store.db, digest);
    syncPoint("ingest.asked");
    if (!row || (row.state !== "live" && row.state !== "condemned")) return undefined;
    // bytes that an import left elsewhere may go at any time: the store gets its own
    const isThere =
      row.place !== "foreign" &&
      !this.#damaged.has(row.seq) &&
      (row.place === "pack"
        ? this.#isInPack(row.pack as number, row.offset as number, row.size, digest)
        : this.#isInFile(row.path as string, row.size, digest));
    if (isThere) return row.size;
    this.doubted.add(hexOf(digest));
    return undefined;
  }

  #isRefused(digest: Uint8Array): boolean {
    if (this.#distrusted.size === 0 && this.doubted.size === 0) return false;
    const hex = hexOf(digest);
    return this.#distrusted.has(hex) || this.doubted.has(hex);
  }

  /** How many members a directory has that the store has as a whole: none of them is damaged, and nobody touched a file or pack that they are in. Undefined otherwise. */
  membersOf(hex: string): number | undefined {
    if (this.#isEmpty || this.#distrusted.size > 0) return undefined;
    const { db } = this.#store;
    const tree = blobs.known(db, Buffer.from(hex, "hex"));
    if (!tree) return undefined;
    const places = treeMembers.places(db, tree.seq);
    syncPoint("ingest.asked");
    const areThere = places.every(
      ({ state, place, pack }) =>
        (state === "live" || state === "condemned") &&
        place !== "foreign" &&
        (place === "file" || this.#packAt(pack as number)?.untouched === true),
    );
    if (!areThere || treeMembers.hasDamage(db, tree.seq)) return undefined;
    if (places.some(({ place }) => place === "file") && !treeMembers.files(db, tree.seq).every((seq) => this.#isUntouched(seq)))
      return undefined;
    return places.reduce((sum, { count }) => sum + count, 0);
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

  /** Of a pack that nobody touched, a member is believed to be there; otherwise it is read. */
  #isInPack(seq: number, offset: number, size: number, digest: Uint8Array): boolean {
    const pack = this.#packAt(seq);
    if (!pack) return false;
    if (pack.untouched) return true;
    return this.#isRead(pack.path, offset, size, digest);
  }

  #packAt(seq: number): { path: string; untouched: boolean } | undefined {
    if (!this.#packs.has(seq)) this.#packs.set(seq, this.#lookAt(seq));
    return this.#packs.get(seq);
  }

  #isUntouched(seq: number): boolean {
    const row = blobs.bySeq(this.#store.db, seq);
    const stat = row && lstatSync(this.#store.path(row.path as string), { bigint: true, throwIfNoEntry: false });
    return row !== null && stat !== undefined && stat !== null && sameStamp(stat, row);
  }

  #lookAt(seq: number): { path: string; untouched: boolean } | undefined {
    const row = packs.bySeq(this.#store.db, seq);
    const stamp = packs.stampOf(this.#store.db, seq);
    if (!row || !stamp) return undefined;
    const path = this.#store.path(row.path);
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stat && { path, untouched: sameStamp(stat, stamp) };
  }

  /** A large one is looked at by `isIntact`, which does not stop the event loop. */
  #isInFile(kept: string, size: number, digest: Uint8Array): boolean {
    const path = this.#store.path(kept);
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat || stat.size !== BigInt(size)) return false;
    if (size >= SMALL) return true;
    const row = blobs.byDigest(this.#store.db, { algorithm: "blake3", hex: hexOf(digest) });
    return row !== null && (sameStamp(stat, row) || this.#isRead(path, 0, size, digest));
  }

  #isRead(path: string, offset: number, size: number, digest: Uint8Array): boolean {
    try {
      return Buffer.from(this.#blake3.hash(readMember(path, offset, size))).equals(digest);
    } catch {
      return false;
    }
  }
}

function hexOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("hex");
}
