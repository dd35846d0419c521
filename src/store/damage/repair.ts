import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as integrity from "../../db/check/integrity.ts";
import * as packs from "../../db/bytes/packs.ts";
import { forgetPack } from "../../db/garbage/sweeping.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { BlobReader } from "./blob-reader.ts";
import { closeFiles } from "./close-files.ts";
import { Copies } from "./copies.ts";
import type { Copy, Elsewhere } from "./copies.ts";
import type { Damage } from "./damage.ts";
import { dropLease, staging, takeLease } from "../lease.ts";
import { linkMember } from "./link-members.ts";
import { listLost } from "./lost.ts";
import type { Lost } from "./lost.ts";
import { mendPack, putAway } from "./mend-pack.ts";
import type { Restored } from "./mend-pack.ts";
import { putBack } from "./put-back.ts";
import { digestOf, locate } from "../read.ts";
import type { Store } from "../store.ts";
import { verify } from "./verify.ts";
import type { Verified } from "./verify.ts";

export interface Repaired {
  /** Empty for a pack that was written anew, and for the database's indexes. */
  digest: string;
  /** Where the good bytes lie now. */
  path: string;
  from: Copy["from"] | "itself";
  /** What they were copied from. */
  source: string;
}

export interface Repair {
  repaired: Repaired[];
  /** Where what was damaged lies now. */
  aside: string[];
  /** What is damaged still. */
  damage: Damage[];
  /** Files that others could have written to, and that are read-only now. */
  closed: string[];
  failed: { path: string; error: string }[];
  interrupted: boolean;
}

export interface RepairOptions {
  /** More places to look in, by everything that lies below them. */
  directories: readonly string[];
  elsewhere: readonly Elsewhere[];
  stop: () => boolean;
}

/** A list that came back tells of files that may be lost too. */
const MAX_ROUNDS = 4;
/** From here on restored members share a pack. */
const PACK_FROM = 32;

/**
 * Restores what `verify` found damaged, as far as another copy proves what it was.
 *
 *  1. Indexes of the database are made anew, where nothing else of it is damaged; where something is, all stays as it is.
 *  2. For each lost blob the places are asked in turn (see `Copies`); a copy is staged, and hashed as it was written.
 *  3. It takes the damaged file's place, or that of a new one (see `putBack`); members of packs go into a new pack (see `mendPack`). Bytes before rows.
 *  4. What was damaged is kept below `damaged/`.
 *  5. All that was damaged is read again.
 *
 * A crash anywhere leaves rows whose bytes are whole, or damaged as before: the next call goes on. A good file without a row is a stray, and a copy for that call.
 * @throws CofferError STORE_UNUSABLE where the disk takes nothing more
 */
export async function repair(store: Store, found: Verified, options: RepairOptions): Promise<Repair> {
  const done: Repair = { repaired: [], aside: [], damage: found.damage, closed: [], failed: [], interrupted: false };
  if (!mendIndexes(store, done)) return done;
  const lease = takeLease(store, "ingest");
  try {
    closeFiles(store, found, done);
    const blake3 = await loadBlake3();
    for (let round = 1; round <= MAX_ROUNDS && done.damage.length > 0 && !done.interrupted; round++) {
      const [before, wasLeft] = [done.repaired.length, done.damage.length];
      await new Round(store, blake3, staging(store, lease), options, done).run();
      done.damage = (await verify(store, { share: 1, random: () => 0, only: scopeOf(store, found.damage, done.damage) })).damage;
      // another process may be repairing too, and what it does counts
      if (done.repaired.length === before && done.damage.length === wasLeft) break;
    }
  } finally {
    dropLease(store, lease);
  }
  return done;
}

/** False where something else of the database is damaged. */
function mendIndexes(store: Store, done: Repair): boolean {
  const faults = done.damage.filter(({ what }) => what === "database").map(({ detail }) => detail);
  if (faults.length === 0) return true;
  if (!integrity.isOnlyIndexes(faults)) return false;
  try {
    store.transaction(() => integrity.reindex(store.db));
    syncPoint("repair.indexed");
  } catch (error) {
    done.failed.push({ path: store.path("coffer.db"), error: reason(error) });
    return false;
  }
  const left = integrity.faults(store.db);
  const path = store.path("coffer.db");
  done.damage = [
    ...done.damage.filter(({ what }) => what !== "database"),
    ...left.map((detail): Damage => ({ digest: "", path, what: "database", detail })),
  ];
  if (left.length === 0) done.repaired.push({ digest: "", path, from: "itself", source: "the rows, of which its indexes were made anew" });
  return left.length === 0;
}

/** What is read again: all that was damaged at any time, and the packs in which that lies now. */
function scopeOf(store: Store, ...lists: (readonly Damage[])[]): { blobs: Set<number>; packs: Set<number> } {
  const all = lists.flat();
  const seqs = new Set(all.flatMap(({ blob }) => blob ?? []));
  const inPacks = [...seqs].flatMap((seq) => blobs.bySeq(store.db, seq)?.pack ?? []);
  return { blobs: seqs, packs: new Set([...all.flatMap(({ pack }) => pack ?? []), ...inPacks]) };
}

/** One pass over what is damaged. */
class Round {
  readonly #store: Store;
  readonly #blake3: Blake3;
  readonly #staging: string;
  readonly #options: RepairOptions;
  readonly #done: Repair;
  /** Members of packs whose bytes were found, by pack. */
  readonly #restored = new Map<number, (Restored & { lost: Lost; copy: Copy })[]>();
  readonly #reader: BlobReader;
  #number = 0;

  constructor(store: Store, blake3: Blake3, directory: string, options: RepairOptions, done: Repair) {
    this.#reader = new BlobReader(blake3, () => false);
    this.#store = store;
    this.#blake3 = blake3;
    this.#staging = directory;
    this.#options = options;
    this.#done = done;
  }

  async run(): Promise<void> {
    using _ = this.#reader;
    const lost = await listLost(this.#store, this.#done.damage);
    const { directories, elsewhere } = this.#options;
    const copies = new Copies(this.#store, this.#blake3, { lost, own: this.#staging, directories, elsewhere });
    for (const one of lost) {
      await yieldToSignals();
      if (this.#isStopped()) break;
      await this.#trying(one.row?.path ?? formatDigest(one.digest), () => this.#restore(one, copies));
    }
    const broken = new Set(this.#done.damage.flatMap(({ what, pack }) => (what === "pack" ? (pack ?? []) : [])));
    for (const pack of new Set([...this.#restored.keys(), ...broken])) {
      const row = packs.bySeq(this.#store.db, pack);
      if (row) await this.#trying(row.path, () => this.#mend(row, broken.has(pack)));
    }
  }

  async #restore(lost: Lost, copies: Copies): Promise<void> {
    if (lost.row ? await this.#isWhole(lost) : this.#isLinked(lost)) return;
    const staged = join(this.#staging, `copy-${Bun.randomUUIDv7().slice(-12)}-${this.#number++}`);
    for await (const copy of copies.of(lost)) {
      if (this.#isStopped()) return;
      if (!(await copy.bring(staged))) continue;
      if (lost.row?.place === "pack") {
        const { row } = lost;
        const pack = row.pack as number;
        const restored = this.#restored.get(pack) ?? [];
        this.#restored.set(pack, restored);
        restored.push({ row, staged, isList: lost.isList, lost, copy });
      } else await this.#put(lost, staged, copy);
      return;
    }
  }

  async #put(lost: Lost, staged: string, { from, path: source }: Copy): Promise<void> {
    const put = await putBack(this.#store, staged, lost);
    if (!put) return;
    this.#done.repaired.push({ digest: formatDigest(lost.digest), path: put.path, from, source });
    if (put.aside !== undefined) this.#done.aside.push(put.aside);
  }

  /** Few members get files of their own; many, and those of a pack that is broken itself, a new pack. */
  async #mend(pack: packs.PackRow, isBroken: boolean): Promise<void> {
    const restored = this.#restored.get(pack.seq) ?? [];
    if (!isBroken && restored.length < PACK_FROM) {
      for (const { lost, staged, copy } of restored) await this.#put(lost, staged, copy);
      const isEmpty = this.#store.transaction(
        () => !packs.isHeld(this.#store.db, pack.seq) && forgetPack(this.#store.db, pack.seq) !== null,
      );
      const aside = isEmpty ? putAway(this.#store, pack) : undefined;
      if (aside !== undefined) this.#done.aside.push(aside);
      return;
    }
    const damaged = new Set(this.#done.damage.flatMap(({ blob }) => blob ?? []));
    const { path, aside } = await mendPack(this.#store, this.#staging, pack, { restored, isBroken, damaged }, this.#blake3);
    if (path === undefined) return;
    for (const { lost, copy } of restored)
      this.#done.repaired.push({ digest: formatDigest(lost.digest), path, from: copy.from, source: copy.path });
    if (isBroken) this.#done.repaired.push({ digest: "", path, from: "itself", source: this.#store.path(pack.path) });
    if (aside !== undefined) this.#done.aside.push(aside);
    for (const { staged } of restored) rmSync(staged, { force: true });
  }

  /** A file of a directory whose bytes the store has: only the row that says so was missing. */
  #isLinked({ digest, tree }: Lost): boolean {
    const path = tree === undefined ? undefined : linkMember(this.#store, tree, digest);
    if (path === undefined) return false;
    const source = "the store had it, and no row said that it lies in the directory";
    this.#done.repaired.push({ digest: formatDigest(digest), path, from: "itself", source });
    return true;
  }

  /** An ingest may have mended it since, or its mode was all that was wrong. */
  async #isWhole({ row }: Lost): Promise<boolean> {
    const now = row && blobs.bySeq(this.#store.db, row.seq);
    if (!now || now.state === "trashed") return true;
    if (now.place === "foreign") return false;
    const reader = this.#reader;
    const look = await reader.look(this.#store, now);
    if (look.damage?.what !== "unreadable") return look.damage === undefined;
    // its own, or that of the pack that has it
    const { path } = locate(this.#store, now);
    try {
      chmodSync(path, 0o444);
    } catch {
      return false;
    }
    if ((await reader.look(this.#store, now)).damage) return false;
    const digest = now.place === "pack" ? "" : digestOf(now);
    this.#done.repaired.push({ digest, path, from: "itself", source: "its mode let nobody read it" });
    return true;
  }

  #isStopped(): boolean {
    return (this.#done.interrupted ||= this.#options.stop());
  }

  async #trying(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // a full disk ends all of it; the rest concerns one file
      if (error instanceof CofferError ? error.code === "STORE_UNUSABLE" || error.code === "STORE_BUSY" : errno(error) === undefined)
        throw error;
      this.#done.failed.push({ path, error: reason(error) });
    }
  }
}
