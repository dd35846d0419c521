import { closeSync } from "node:fs";
import { readMemberOf } from "../../blobs/pack.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { locate, openBlob } from "../read.ts";
import type { Store } from "../store.ts";

/** Packs from which many members are read: each is looked up and opened once. */
export class OpenPacks implements Disposable {
  readonly #store: Store;
  readonly #open = new Map<number, { fd: number; path: string }>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** A packed blob's bytes as they lie there, unchecked, and the pack's path. @throws CofferError CORRUPT where the pack is gone or cut short */
  read(row: BlobRow): { bytes: Buffer; path: string } {
    const pack = this.#packOf(row);
    return { bytes: readMemberOf(pack, row.offset as number, row.size), path: pack.path };
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #packOf(row: BlobRow): { fd: number; path: string } {
    const before = this.#open.get(row.pack as number);
    if (before) return before;
    const { path } = locate(this.#store, row);
    const pack = { fd: openBlob(path, row), path };
    this.#open.set(row.pack as number, pack);
    return pack;
  }
}
