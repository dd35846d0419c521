import { openSync } from "node:fs";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { reading } from "../../db/open/open.ts";
import { OpenPacks } from "../../store/bytes/open-packs.ts";
import type { Store } from "../../store/store.ts";
import type { RemoteFile } from "./lay-out.ts";
import { storedSource } from "./stored-source.ts";
import type { StoredSource } from "./stored-source.ts";

/** Files, and bytes, that are read ahead at a time. */
const FILES_AHEAD = 128;
const BYTES_AHEAD = 4 * 1024 * 1024;

/**
 * The bytes of many files, each asked for once, in about the order given. Those in packs are read and checked many at a time, in one look at the database and one
 * opening of each pack: for a file of a kilobyte, that is a large part of what its upload costs here.
 */
export class StoredSources {
  readonly #store: Store;
  readonly #coming: Iterator<RemoteFile>;
  /** undefined: not to be read this way. */
  readonly #ready = new Map<RemoteFile, StoredSource | undefined>();

  constructor(store: Store, files: Iterable<RemoteFile>) {
    this.#store = store;
    this.#coming = files[Symbol.iterator]();
  }

  /** @throws CofferError CORRUPT, UNREADABLE */
  async of(file: RemoteFile): Promise<StoredSource> {
    const blake3 = await loadBlake3();
    if (!this.#ready.has(file)) this.#readAhead(blake3);
    const ready = this.#ready.get(file);
    this.#ready.delete(file);
    return ready ?? storedSource(this.#store, file.digest);
  }

  #readAhead(blake3: Blake3): void {
    using packs = new OpenPacks(this.#store);
    reading(this.#store.db, () => {
      for (let files = 0, bytes = 0; files < FILES_AHEAD && bytes < BYTES_AHEAD; files++) {
        const { done, value: file } = this.#coming.next();
        if (done) return;
        const row = blobs.byDigest(this.#store.db, file.digest);
        const packed = row?.place === "pack" ? readPacked(packs, row, blake3) : undefined;
        bytes += packed?.source.size ?? 0;
        this.#ready.set(file, packed);
      }
    });
  }
}

/** undefined for what is not as it should be: it is looked at alone when its turn comes, and says what is wrong. */
function readPacked(packs: OpenPacks, row: BlobRow, blake3: Blake3): StoredSource | undefined {
  try {
    const { bytes, path } = packs.read(row);
    if (!row.blake3 || !blake3.hash(bytes).equals(row.blake3)) return undefined;
    return { row, source: { size: row.size, bytes, open: () => ({ fd: openSync(path, "r"), offset: row.offset as number }) } };
  } catch {
    return undefined;
  }
}
