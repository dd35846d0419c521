import { closeSync, fstatSync, openSync, read } from "node:fs";
import type { BigIntStats } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import type { Blake3, Hasher } from "../../blobs/blake3.ts";
import { FOLLOWING_READ } from "../../blobs/copy.ts";
import { readAt } from "../../blobs/read-at.ts";
import type { BlobRow, FileStamp } from "../../db/bytes/blobs.ts";
import * as packs from "../../db/bytes/packs.ts";
import { errno, reason } from "../../domain/error.ts";
import type { Damage } from "./damage.ts";
import { digestOf } from "../read.ts";
import { sameStamp, stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";

/** Bytes that are read at a time, and after which signals are handled. */
const CHUNK = 4 << 20;
const WRITABLE = 0o222n;

/** What a look at a blob's bytes found. */
export interface Look {
  damage?: Damage;
  /** The bytes are right, and the file is not the one that was hashed last, or others may write to it. */
  touched?: { what: "replaced" | "writable"; stamp: FileStamp };
  /** It was told to stop: nothing is known. */
  isStopped?: boolean;
}

/** Reads blobs and holds them against their digests, one after the other; a pack stays open while its members follow one another. */
export class BlobReader implements Disposable {
  readonly #blake3: Blake3;
  readonly #stop: () => boolean;
  readonly #buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)] as const;
  #open: { path: string; fd: number } | undefined;
  #unyielded = 0;

  constructor(blake3: Blake3, stop: () => boolean) {
    this.#blake3 = blake3;
    this.#stop = stop;
  }

  async look(store: Store, row: BlobRow): Promise<Look> {
    const pack = row.pack === null ? undefined : packs.bySeq(store.db, row.pack);
    const path = row.place === "pack" ? (pack ? store.path(pack.path) : "(a pack without a row)") : store.path(row.path as string);
    const hurt = (what: Damage["what"], detail: string): Look => ({ damage: { digest: digestOf(row), path, what, detail, blob: row.seq } });
    try {
      const fd = this.#opened(path);
      const stat = row.place === "pack" ? undefined : fstatSync(fd, { bigint: true });
      // a FIFO of no bytes is no empty file
      if (stat && !stat.isFile()) return hurt("changed", "it is no regular file");
      if (stat && stat.size !== BigInt(row.size))
        return hurt(stat.size < row.size ? "short" : "changed", `${stat.size} bytes instead of ${row.size}`);
      const hasher = this.#blake3.hasher();
      const read = await this.#read(fd, { start: row.offset ?? 0, size: row.size }, hasher);
      if (read === "stopped") return { isStopped: true };
      if (read < row.size) return hurt("short", `${read} bytes instead of ${row.size}`);
      if (!Buffer.from(hasher.digest()).equals(row.blake3 as Uint8Array)) return hurt("changed", "its bytes are not those of its digest");
      return stat && row.place === "file" ? touchedOf(row, stat, fstatSync(fd, { bigint: true })) : {};
    } catch (error) {
      return hurt(errno(error) === "ENOENT" ? "missing" : "unreadable", reason(error));
    }
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #opened(path: string): number {
    if (this.#open?.path === path) return this.#open.fd;
    this[Symbol.dispose]();
    return (this.#open = { path, fd: openSync(path, FOLLOWING_READ) }).fd;
  }

  /** Hashes what lies there. Returns how much there is. */
  async #read(fd: number, at: { start: number; size: number }, hasher: Hasher): Promise<number | "stopped"> {
    if (at.size > CHUNK) return this.#readAhead(fd, at, hasher);
    const [buffer] = this.#buffers;
    const bytes = buffer.subarray(0, at.size);
    const read = readAt(fd, bytes, at.start);
    hasher.update(bytes.subarray(0, read));
    await this.#yield(read);
    return read;
  }

  /** Another thread reads the next piece while this one is hashed: the disk, or the copy out of the page cache, takes no time of its own. */
  async #readAhead(fd: number, { start, size }: { start: number; size: number }, hasher: Hasher): Promise<number | "stopped"> {
    let [now, ahead]: readonly [Buffer, Buffer] = this.#buffers;
    const ask = (buffer: Buffer, from: number): Promise<number> => readSome(fd, buffer, Math.min(CHUNK, size - from), start + from);
    let coming = ask(now, 0);
    for (let at = 0; ;) {
      const read = await coming;
      at += read;
      if (read === 0 || at === size || this.#stop()) {
        hasher.update(now.subarray(0, read));
        return read === 0 || at === size ? at : "stopped";
      }
      coming = ask(ahead, at);
      hasher.update(read === CHUNK ? now : now.subarray(0, read));
      [now, ahead] = [ahead, now];
    }
  }

  /** Between some megabytes, signals are handled. */
  async #yield(read: number): Promise<void> {
    this.#unyielded += read;
    if (this.#unyielded < CHUNK) return;
    this.#unyielded = 0;
    await yieldToSignals();
  }
}

function readSome(fd: number, into: Buffer, length: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => read(fd, into, 0, length, at, (error, count) => (error ? reject(error) : resolve(count))));
}

function touchedOf(row: BlobRow, before: BigIntStats, after: BigIntStats): Look {
  const stamp = stampOf(before);
  // somebody is at it just now: another time
  if (!sameStamp(after, { ...stamp, size: row.size })) return {};
  if ((after.mode & WRITABLE) !== 0n) return { touched: { what: "writable", stamp } };
  return sameStamp(before, row) ? {} : { touched: { what: "replaced", stamp } };
}
