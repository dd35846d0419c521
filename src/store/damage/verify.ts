import { lstatSync } from "node:fs";
import { loadBlake3 } from "../../blobs/blake3.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow, FileStamp } from "../../db/bytes/blobs.ts";
import * as damaged from "../../db/bytes/damage.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import * as integrity from "../../db/check/integrity.ts";
import { rowFaults } from "../../db/check/row-faults.ts";
import * as packs from "../../db/bytes/packs.ts";
import { CofferError, isMalformed, reason } from "../../domain/error.ts";
import { BlobReader } from "./blob-reader.ts";
import type { Look } from "./blob-reader.ts";
import { checkPack } from "./check-pack.ts";
import { checkTrees } from "./check-trees.ts";
import type { Damage } from "./damage.ts";
import { digestOf, isUnread, locate, readRow } from "../read.ts";
import { keepStamp } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";
import { readReached, rememberReached } from "./verify-reached.ts";

/** A file whose bytes are right, and that is not as it was left. */
export interface Touched {
  path: string;
  /** replaced: another file, or one that was written to; writable: others could write to it. */
  what: "replaced" | "writable";
  of: "blob" | "pack";
  seq: number;
}

export interface Verified {
  blobs: number;
  bytes: number;
  /** Blobs whose bytes an import had left elsewhere, and that nobody had read before. */
  unverified: number;
  damage: Damage[];
  touched: Touched[];
  /** It was told to stop: what is said is of what was read until then. */
  interrupted: boolean;
}

export interface VerifyOptions {
  /** Of the blobs, by chance, and one at least: (0–1]. */
  share: number;
  random: () => number;
  stop?: () => boolean;
  /** Goes on behind what was read when another call was interrupted; what is known to be damaged is read again. */
  resume?: boolean;
  /** Only these. */
  only?: { blobs: ReadonlySet<number>; packs: ReadonlySet<number> };
  progress?: (bytes: number) => void;
}

/**
 * Reads the bytes of every blob again and holds them against their digests; looks whether packs are as they are written, whether each directory's files are all
 * there, and whether the database is whole. What is damaged is noted, what was and is not any more is forgotten, and a whole file that somebody replaced counts
 * as hashed. Otherwise nothing is changed, but that what an import left elsewhere counts as read from now on; others may work meanwhile.
 */
export async function verify(store: Store, options: VerifyOptions): Promise<Verified> {
  const found: Verified = { blobs: 0, bytes: 0, unverified: 0, damage: [], touched: [], interrupted: false };
  try {
    checkDatabase(store, found);
    await checkBytes(store, options, found);
  } catch (error) {
    if (!isMalformed(error)) throw error;
    // the rest cannot be known
    if (!found.damage.some((one) => one.what === "database")) found.damage.push(databaseDamage(store.path("coffer.db"), reason(error)));
  }
  return found;
}

/** What is said of a database that cannot even be asked. */
export function databaseDamage(path: string, detail: string): Damage {
  return { digest: "", path, what: "database", detail };
}

/** What a look at the bytes makes known, and the database is told of. */
interface Notes {
  known: Set<number>;
  whole: number[];
  stamps: { seq: number; of: "blob" | "pack"; stamp: FileStamp }[];
}

async function checkBytes(store: Store, options: VerifyOptions, found: Verified): Promise<void> {
  const { share, random, only, stop = () => false } = options;
  const notes: Notes = { known: damaged.all(store.db), whole: [], stamps: [] };
  const after = options.resume ? readReached(store) : undefined;
  const seenPacks = new Set<number>();
  let last: BlobRow | undefined;
  using reader = new BlobReader(await loadBlake3(), stop);
  const again = after ? [...notes.known] : [];
  const all = [...again, ...integrity.ownBlobs(store.db, after), ...foreign.all(store.db)];
  for (const seq of share < 1 ? sampleOf(all, share, random) : all) {
    if (only && !only.blobs.has(seq)) continue;
    if (stop()) {
      found.interrupted = true;
      break;
    }
    const read = await checkBlob(store, seq, reader, notes, found);
    if (read === "stopped") {
      found.interrupted = true;
      break;
    }
    if (!read) continue;
    if (read.place !== "foreign") last = read;
    if (read.pack !== null && !seenPacks.has(read.pack)) {
      seenPacks.add(read.pack);
      takePack(store, read.pack, found, notes);
    }
    options.progress?.(found.bytes);
  }
  for (const pack of only?.packs ?? [])
    if (!seenPacks.has(pack) && packs.readable(store.db, pack).length > 0) takePack(store, pack, found, notes);
  if (!found.interrupted) {
    const reported = new Set(found.damage.map((one) => one.digest));
    const trees = await checkTrees(store, (tree) => !only || only.blobs.has(tree), stop);
    found.damage.push(...trees.filter((one) => one.what === "incomplete tree" || !reported.has(one.digest)));
    found.interrupted = stop();
  }
  dropSaidTwice(found);
  // a pack is whole only where each of its members was read
  const isAllRead = share === 1 && !only && !found.interrupted;
  notes.stamps = notes.stamps.filter(({ seq, of }) => of === "blob" || (isAllRead && seq !== after?.pack));
  tellDatabase(store, found, notes);
  if (share === 1 && !only) rememberReached(store, found.interrupted ? (last ?? after) : undefined);
}

/** Of few blobs a small share may be none, and that says nothing. */
function sampleOf(all: readonly number[], share: number, random: () => number): readonly number[] {
  const chosen = all.filter(() => random() < share);
  if (chosen.length > 0) return chosen;
  const one = Math.floor(random() * all.length);
  return all.slice(one, one + 1);
}

/** The row that was looked at; undefined where it is gone. */
async function checkBlob(
  store: Store,
  seq: number,
  reader: BlobReader,
  notes: Notes,
  found: Verified,
): Promise<BlobRow | "stopped" | undefined> {
  for (let row = present(store, seq); row;) {
    const wasUnread = isUnread(row);
    const look: Look = wasUnread ? await lookAtUnread(store, row) : await reader.look(store, row);
    if (look.isStopped) return "stopped";
    const again = look.damage && present(store, seq);
    if (again && (again.path !== row.path || again.pack !== row.pack || again.offset !== row.offset)) {
      // it was moved while it was read
      row = again;
      continue;
    }
    // one that was swept meanwhile is not missing
    if (look.damage && again) found.damage.push(look.damage);
    if (!look.damage && notes.known.has(seq)) notes.whole.push(seq);
    if (look.touched) {
      found.touched.push({ path: locate(store, row).path, what: look.touched.what, of: "blob", seq });
      notes.stamps.push({ seq, of: "blob", stamp: look.touched.stamp });
    }
    if (wasUnread) found.unverified++;
    found.blobs++;
    found.bytes += row.size;
    return row;
  }
  return undefined;
}

/** The row of a blob whose bytes should be there. */
function present(store: Store, seq: number): BlobRow | undefined {
  const row = blobs.bySeq(store.db, seq);
  return row && row.state !== "trashed" ? row : undefined;
}

function takePack(store: Store, pack: number, found: Verified, notes: Notes): void {
  const { damage, touched } = checkPack(store, pack);
  // it was written anew meanwhile
  if (damage && packs.readable(store.db, pack).length > 0) found.damage.push(damage);
  if (!touched) return;
  found.touched.push({ path: store.path(packs.bySeq(store.db, pack)?.path ?? ""), what: touched.what, of: "pack", seq: pack });
  notes.stamps.push({ seq: pack, of: "pack", stamp: touched.stamp });
}

/** Of a pack that is gone, its members tell. */
function dropSaidTwice(found: Verified): void {
  const lost = new Set(found.damage.filter(({ what }) => what === "missing" || what === "unreadable").map(({ path }) => path));
  found.damage = found.damage.filter(({ what, path }) => what !== "pack" || !lost.has(path));
}

/** Bytes that nobody has read since a manifest told of them. */
async function lookAtUnread(store: Store, row: BlobRow): Promise<Look> {
  try {
    await readRow(store, row.seq);
    return {};
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    const { path } = locate(store, row);
    const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const what = error.code !== "CORRUPT" ? "unreadable" : isThere ? "changed" : "missing";
    return { damage: { digest: digestOf(row), path, what, detail: error.message, blob: row.seq } };
  }
}

/** A database that is damaged itself is not written to. */
function tellDatabase(store: Store, found: Verified, notes: Notes): void {
  if (found.damage.some(({ what }) => what === "database")) return;
  const hurt = found.damage.filter(({ blob }) => blob !== undefined);
  const hurtPacks = new Set(found.damage.flatMap(({ blob, pack }) => pack ?? blobs.bySeq(store.db, blob ?? -1)?.pack ?? []));
  const stamps = notes.stamps.filter(({ seq, of }) => of === "blob" || !hurtPacks.has(seq));
  if (hurt.length + notes.whole.length + stamps.length === 0) return;
  if (store.readOnly) return store.say(`what was found could not be noted: ${store.readOnly.message}`);
  try {
    store.transaction(() => {
      // a list whose own bytes are whole may lack files
      for (const seq of notes.whole) damaged.forget(store.db, seq);
      for (const { blob, what, detail } of hurt) damaged.record(store.db, { blob: blob as number, what, detail, found_at: store.now() });
      for (const { seq, of, stamp } of stamps) keepStamp(store, of, seq, stamp);
    });
  } catch (error) {
    if (isMalformed(error)) throw error;
    store.say(`what was found could not be noted: ${reason(error)}`);
  }
}

function checkDatabase(store: Store, found: Verified): void {
  const hurt = (detail: string) => found.damage.push(databaseDamage(store.path("coffer.db"), detail));
  for (const fault of integrity.faults(store.db)) hurt(fault);
  for (const fault of rowFaults(store.db)) hurt(fault);
}
