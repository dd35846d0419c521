import { closeSync } from "node:fs";
import { readMemberOf } from "../../blobs/pack.ts";
import { Window } from "../../blobs/window.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { locate, openBlob } from "../read.ts";
import type { Store } from "../store.ts";

const FIRST_REACH = 1 << 12;
/** A member's padding and the next one's header. */
const NEAR = 1 << 10;

/** Packs from which many members are read: each is looked up and opened once, but where they are more than a process may have open. */
export class OpenPacks implements Disposable {
  /** How many are open at a time: a quarter of what some systems let a process have. */
  static readonly MOST = 64;
  readonly #store: Store;
  /** The one that was opened last at the end. */
  readonly #open = new Map<number, { fd: number; path: string }>();
  /** On the pack that was looked into last. */
  readonly #window = new Window();
  #pack: number | undefined;
  #reach = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A packed blob's bytes as they lie there, unchecked, and the pack's path. @throws CofferError CORRUPT where the pack is gone or cut short */
  read(row: BlobRow): { bytes: Buffer; path: string } {
    const pack = this.#packOf(row);
    return { bytes: readMemberOf(pack, row.offset as number, row.size), path: pack.path };
  }

  /**
   * What stands at a place of a pack that `read` has opened, unchecked; the caller's until the next call. Many members that lie side by side are read at once, since a call of the system
   * for each of 100,000 costs as much as their hashes. Undefined where the pack is not open, or cannot be read there, and for what is large: `read` is for these.
   */
  glance(seq: number, offset: number, size: number): Buffer | undefined {
    const pack = this.#open.get(seq);
    if (!pack || size > Window.MOST) return undefined;
    return (seq === this.#pack ? this.#window.show(offset, size) : undefined) ?? this.#look(pack.fd, seq, offset, size);
  }

  /** Twice as far each time for who goes on from where the window ends, and no further than asked for who jumps about: a directory's files may lie anywhere. */
  #look(fd: number, seq: number, offset: number, size: number): Buffer | undefined {
    const goesOn = seq === this.#pack && this.#window.isNear(offset, NEAR);
    this.#reach = goesOn ? Math.min(2 * this.#reach, Window.MOST) : FIRST_REACH;
    this.#pack = seq;
    this.#window.look(fd, offset, goesOn ? Math.max(size, this.#reach) : size);
    return this.#window.show(offset, size);
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #packOf(row: BlobRow): { fd: number; path: string } {
    const before = this.#open.get(row.pack as number);
    if (before) return before;
    const { path } = locate(this.#store, row);
    if (this.#open.size === OpenPacks.MOST) this.#closeOldest();
    const pack = { fd: openBlob(path, row), path };
    this.#open.set(row.pack as number, pack);
    return pack;
  }

  #closeOldest(): void {
    const [oldest] = this.#open;
    if (!oldest) return;
    const [seq, { fd }] = oldest;
    this.#open.delete(seq);
    closeSync(fd);
  }
}
