import { closeSync, fchmodSync, fstatSync, lstatSync, openSync, readSync, rmSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { cloneOpened, copyOpened, hashFile, linkOpened, SAFE_READ } from "../../blobs/copy.ts";
import { syncFile, writeWhole } from "../../blobs/durable.ts";
import { PackWriter } from "../../blobs/pack.ts";
import { encodeTree } from "../../blobs/tree.ts";
import type { TreeEntry } from "../../blobs/tree.ts";
import { reading } from "../../db/open/open.ts";
import { CofferError, errno, isFull, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { cannotTake } from "./cannot-take.ts";
import { staging } from "../lease.ts";
import type { Lease } from "../lease.ts";
import { openSource } from "./open-source.ts";
import { KnownBlobs, SMALL } from "./known-blobs.ts";
import type { IngestOptions, IngestUnit } from "./ingest-unit.ts";
import type { Staged, StagedBlob, StagedUnit } from "./staged.ts";
import type { Store } from "../store.ts";
import { twoAtOnce } from "./two-at-once.ts";
import { walk } from "./walk.ts";
import type { Problem } from "./walk.ts";

const PACK_FROM = 32;
const FILES_PER_TURN = 256;
const ATTEMPTS = 3;
/** How many files may wait for their flush, each with a descriptor. */
const MAX_FLUSHING = 64;

interface Reading {
  hex: string;
  size: number;
  mode: number;
  unsettled: boolean;
}

/**
 * Reads, hashes and makes durable all that the store does not have yet, in the lease's staging directory. No row is written.
 * `distrusted` digests are staged even where the store seems to have them.
 * @throws CofferError UNREADABLE where a unit itself cannot be read; STORE_UNUSABLE where the store cannot take the bytes
 */
export async function stage(
  store: Store,
  lease: Lease,
  units: readonly IngestUnit[],
  options: IngestOptions,
  distrusted: ReadonlySet<string>,
): Promise<Staged> {
  const blake3 = await loadBlake3();
  const stager = new Stager(store, lease, options, blake3, distrusted);
  try {
    return await stager.stage(units);
  } catch (error) {
    await stager.abandon();
    if (error instanceof CofferError || errno(error) === undefined) throw error;
    throw cannotTake(error);
  }
}

class Stager {
  readonly #store: Store;
  readonly #options: IngestOptions;
  readonly #blake3: Blake3;
  readonly #known: KnownBlobs;
  readonly #directory: string;
  readonly #blobs = new Map<string, StagedBlob>();
  readonly #problems: Problem[] = [];
  /** Files on their way to the disk; those that failed stay. */
  readonly #flushing = new Set<Promise<void>>();
  #pack: PackWriter | undefined;
  #packed = 0;
  /** Some file changed while it was read: what was staged of it first is not wanted. */
  #readAgain = false;
  #number = 0;
  /** Of the large ones that were staged. */
  readonly #sizes = new Set<number>();

  constructor(store: Store, lease: Lease, options: IngestOptions, blake3: Blake3, distrusted: ReadonlySet<string>) {
    this.#store = store;
    this.#options = options;
    this.#blake3 = blake3;
    this.#known = new KnownBlobs(store, distrusted, blake3);
    this.#directory = staging(store, lease);
    syncPoint("ingest.begun");
  }

  async stage(units: readonly IngestUnit[]): Promise<Staged> {
    const walked = units.map((unit) =>
      unit.kind === "tree" ? walk(unit.source, (path) => this.#options.ignored?.(unit, path) ?? false) : undefined,
    );
    const candidates = units.reduce((count, unit, index) => count + (walked[index]?.files.length ?? (unit.typed ? 0 : 1)), 0);
    if (candidates >= PACK_FROM) this.#pack = new PackWriter(this.#newName("pack"));

    const staged: StagedUnit[] = [];
    await twoAtOnce([...units.entries()], async ([index, unit]) => {
      const tree = walked[index];
      if (tree) for (const problem of tree.problems) this.#problems.push({ ...problem, path: `${unit.path}/${problem.path}` });
      staged[index] = tree ? await this.#stageTree(unit, tree.files, tree.others) : await this.#stageFileUnit(unit);
    });
    await Promise.all(this.#flushing);
    const pack = await this.#finishPack();
    if (this.#readAgain) this.#forgetUnwanted(staged);
    syncPoint("ingest.staged");
    return { units: staged, blobs: this.#blobs, pack, doubted: this.#known.doubted, problems: this.#problems };
  }

  /** A file that was read twice because it changed left its first bytes too. */
  #forgetUnwanted(staged: readonly StagedUnit[]): void {
    // flatMap over 20,000 members takes a tenth of a second
    const wanted = new Set<string>();
    for (const unit of staged) {
      wanted.add(unit.hex);
      for (const member of unit.members) wanted.add(member);
    }
    for (const [hex, { bytes }] of this.#blobs) {
      if (wanted.has(hex)) continue;
      if (bytes.from === "file") rmSync(bytes.path);
      this.#blobs.delete(hex);
    }
  }

  /** Nothing of it is wanted: the staging directory goes as a whole later; here, descriptors and flushes end. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#flushing);
    this.#pack?.abandon();
  }

  async #stageFileUnit(unit: IngestUnit): Promise<StagedUnit> {
    const reading = await this.#stageFile(unit, unit.source, unit.path, !unit.typed);
    return { unit, ...reading, files: 1, members: [] };
  }

  async #stageTree(unit: IngestUnit, files: readonly string[], others: readonly TreeEntry[]): Promise<StagedUnit> {
    const entries: TreeEntry[] = [...others];
    const members = new Set<string>();
    let size = 0;
    let unsettled = false;
    for (let at = 0; at < files.length; at += FILES_PER_TURN) {
      // one read transaction for many look-ups: alone, each would take and drop the lock
      const turn = files.slice(at, at + FILES_PER_TURN);
      const rest = this.#stageSmallOnes(unit, turn, (path, reading) => {
        entries.push({ kind: "file", path, mode: reading.mode, hex: reading.hex, size: reading.size });
        members.add(reading.hex);
        size += reading.size;
      });
      await twoAtOnce(rest, async (path) => {
        try {
          const reading = await this.#stageFile(unit, `${unit.source}/${path}`, path, true);
          entries.push({ kind: "file", path, mode: reading.mode, hex: reading.hex, size: reading.size });
          members.add(reading.hex);
          size += reading.size;
          unsettled ||= reading.unsettled;
        } catch (error) {
          this.#notRead(`${unit.path}/${path}`, error);
        }
      });
      await yieldToSignals();
    }
    const list = encodeTree(entries);
    const digest = this.#blake3.hash(list);
    const hex = Buffer.from(digest).toString("hex");
    this.#stageBytes(hex, digest, list);
    const { mode } = lstatSync(unit.source);
    return {
      unit,
      hex,
      size,
      files: entries.filter((entry) => entry.kind === "file").length,
      mode: mode & 0o777,
      members: [...members],
      unsettled,
    };
  }

  /** The way of the many small files: everything synchronous, one buffer, no promise. Returns those that go another way. */
  #stageSmallOnes(unit: IngestUnit, paths: readonly string[], keep: (path: string, reading: Reading) => void): string[] {
    const pack = this.#pack;
    if (!pack) return [...paths];
    const rest: string[] = [];
    reading(this.#store.db, () => {
      for (const path of paths) {
        let fd: number;
        try {
          fd = openSync(`${unit.source}/${path}`, SAFE_READ);
        } catch (error) {
          this.#notRead(`${unit.path}/${path}`, error);
          continue;
        }
        try {
          const stat = fstatSync(fd);
          const { size, mode } = stat;
          if (size >= SMALL || !stat.isFile()) {
            rest.push(path);
            continue;
          }
          // one byte more than it should have: a file that grows is read again
          const room = pack.room(size + 1);
          if (readSync(fd, room, 0, size + 1, 0) !== size) {
            rest.push(path);
            continue;
          }
          const digest = this.#blake3.hash(room.subarray(0, size));
          const hex = digest.toString("hex");
          if (!this.#has(hex, digest)) {
            this.#blobs.set(hex, { hex, size, bytes: { from: "pack", offset: pack.keep(hex, size) } });
            this.#packed++;
          }
          keep(path, { hex, size, mode: mode & 0o777, unsettled: false });
        } catch (error) {
          if (isFull(error)) throw cannotTake(error);
          this.#notRead(`${unit.path}/${path}`, error);
        } finally {
          closeSync(fd);
        }
      }
    });
    return rest;
  }

  async #stageFile(unit: IngestUnit, absolute: string, path: string, mayPack: boolean): Promise<Reading> {
    for (let attempt = 1; ; attempt++) {
      const { fd, stat } = openSource(absolute);
      try {
        const small = mayPack && this.#pack !== undefined && stat.size < BigInt(SMALL);
        const hex = small
          ? await this.#readIntoPack(fd, Number(stat.size))
          : await this.#readIntoFile({ ...unit, move: unit.move && attempt === 1 }, fd, stat, absolute, path);
        const after = fstatSync(fd, { bigint: true });
        // our own link changes ctime: size and mtime tell of a writer
        const settled = hex !== undefined && after.size === stat.size && after.mtimeNs === stat.mtimeNs;
        if (settled || (attempt === ATTEMPTS && hex !== undefined)) {
          const size = (this.#blobs.get(hex) as StagedBlob).size;
          return { hex, size, mode: Number(stat.mode) & 0o777, unsettled: !settled };
        }
        if (attempt === ATTEMPTS)
          throw new CofferError("UNREADABLE", `${absolute} keeps changing while it is read`, { hint: "wait until its writer is done" });
      } catch (error) {
        if (error instanceof CofferError) throw error;
        if (isFull(error) || errno(error) === "EROFS") throw cannotTake(error);
        throw new CofferError("UNREADABLE", `${absolute} could not be kept: ${reason(error)}`, {
          hint: "see the message; nothing of it was stored",
          cause: error,
        });
      } finally {
        closeSync(fd);
      }
      this.#readAgain = true;
      await Bun.sleep(20 * attempt);
    }
  }

  async #readIntoPack(fd: number, size: number): Promise<string | undefined> {
    const pack = this.#pack as PackWriter;
    const room = pack.room(size + 1);
    if (readSync(fd, room, 0, size + 1, 0) !== size) return undefined;
    const digest = this.#blake3.hash(room.subarray(0, size));
    const hex = Buffer.from(digest).toString("hex");
    if (!this.#has(hex, digest)) {
      this.#blobs.set(hex, { hex, size, bytes: { from: "pack", offset: pack.keep(hex, size) } });
      this.#packed++;
    }
    return hex;
  }

  /** Undefined where its inode was to become the blob, and somebody wrote to it meanwhile. */
  async #readIntoFile(unit: IngestUnit, fd: number, stat: BigIntStats, absolute: string, original: string): Promise<string | undefined> {
    while (this.#flushing.size >= MAX_FLUSHING) await Promise.race(this.#flushing);
    const target = this.#newName("blob");
    const mayMove = unit.move && stat.nlink === 1n && !(this.#options.openElsewhere?.(stat, fd) ?? false);
    const moved = mayMove && linkOpened(absolute, stat, target);
    if (!moved) {
      const known = await this.#knownByReading(fd, stat);
      if (known) return known;
    }
    if (!moved && !cloneOpened(fd, stat.dev, target)) await copyOpened(fd, target);
    syncPoint(moved ? "ingest.moved-in" : "ingest.copied");
    const made = openSync(target, "r");
    const hasher = this.#blake3.hasher();
    let flushed = Promise.resolve();
    let size: number;
    try {
      if (!moved || absolute.startsWith(this.#store.path("tmp/"))) fchmodSync(made, 0o444);
      // what is hashed is what was written; meanwhile it reaches the disk
      flushed = syncFile(made);
      flushed.catch(() => undefined);
      size = await hashFile(made, hasher);
    } finally {
      this.#closeAfter(flushed, made);
    }
    const digest = hasher.digest();
    const hex = Buffer.from(digest).toString("hex");
    const now = moved ? fstatSync(fd, { bigint: true }) : stat;
    const isWritten = now.size !== stat.size || now.mtimeNs !== stat.mtimeNs;
    if (isWritten || (await this.#hasIntact(hex, digest))) {
      rmSync(target);
      return isWritten ? undefined : hex;
    }
    this.#sizes.add(size);
    this.#blobs.set(hex, {
      hex,
      size,
      bytes: {
        from: "file",
        path: target,
        moved: moved ? { source: absolute, mtime_ns: now.mtimeNs } : undefined,
        type: unit.kind === "tree" ? "file" : unit.type,
        class: unit.kind === "tree" ? null : unit.class,
        original,
      },
    });
    return hex;
  }

  /** Before a copy is made: a store that has a blob of this very size may have this one. */
  async #knownByReading(fd: number, stat: BigIntStats): Promise<string | undefined> {
    const sameSize = this.#sizes.has(Number(stat.size)) || this.#known.hasFileOf(stat.size);
    if (!sameSize) return undefined;
    const hasher = this.#blake3.hasher();
    await hashFile(fd, hasher);
    const digest = hasher.digest();
    const hex = Buffer.from(digest).toString("hex");
    return (await this.#hasIntact(hex, digest)) ? hex : undefined;
  }

  #stageBytes(hex: string, digest: Uint8Array, bytes: Uint8Array): void {
    if (this.#has(hex, digest)) return;
    if (this.#pack) {
      this.#blobs.set(hex, { hex, size: bytes.length, bytes: { from: "pack", offset: this.#pack.add(hex, bytes) } });
      this.#packed++;
      return;
    }
    const path = this.#newName("tree");
    const fd = openSync(path, "wx", 0o444);
    let flushed = Promise.resolve();
    try {
      writeWhole(fd, bytes);
      flushed = syncFile(fd);
    } finally {
      this.#closeAfter(flushed, fd);
    }
    this.#blobs.set(hex, {
      hex,
      size: bytes.length,
      bytes: { from: "file", path, moved: undefined, type: "tree", class: null, original: "" },
    });
  }

  /** What fails here fails the whole, at the end. */
  #closeAfter(flushed: Promise<void>, fd: number): void {
    const closed = flushed.finally(() => closeSync(fd));
    this.#flushing.add(closed);
    closed.then(
      () => this.#flushing.delete(closed),
      () => undefined,
    );
  }

  /** Staged already, or in the store as far as a look at its file tells: then its bytes need not be written. */
  #has(hex: string, digest: Uint8Array): boolean {
    if (this.#blobs.has(hex)) return true;
    const size = this.#known.sizeOf(hex, digest);
    if (size === undefined) return false;
    this.#blobs.set(hex, { hex, size, bytes: { from: "known" } });
    return true;
  }

  /** The same, and a file that was touched is hashed again. */
  async #hasIntact(hex: string, digest: Uint8Array): Promise<boolean> {
    if (!this.#has(hex, digest)) return false;
    if (this.#blobs.get(hex)?.bytes.from !== "known" || (await this.#known.isIntact(hex))) return true;
    if (this.#blobs.get(hex)?.bytes.from === "known") this.#blobs.delete(hex);
    return this.#has(hex, digest);
  }

  async #finishPack(): Promise<Staged["pack"]> {
    const pack = this.#pack;
    if (!pack) return undefined;
    this.#pack = undefined;
    if (this.#packed > 0) return { path: pack.path, size: await pack.finish() };
    pack.abandon();
    return undefined;
  }

  #notRead(path: string, error: unknown): void {
    if (error instanceof CofferError && error.code === "STORE_UNUSABLE") throw error;
    this.#problems.push({
      path,
      why: errno(error) === "ENOENT" ? "it vanished while the directory was read" : reason(error),
      failed: true,
    });
  }

  #newName(kind: string): string {
    return join(this.#directory, `${kind}-${this.#number++}`);
  }
}
