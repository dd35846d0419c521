import { chmodSync, lstatSync, rmSync } from "node:fs";
import { blobFileName } from "../../blobs/file-name.ts";
import { makeDirectory, renameNoReplace, syncDirectory } from "../../blobs/durable.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import { isUncertain } from "../../db/open/cannot-open.ts";
import { keepTablesInMemory, leaveLogForLater } from "../../db/open/open.ts";
import type { Work } from "../../db/open/open.ts";
import * as packs from "../../db/bytes/packs.ts";
import * as sources from "../../db/bytes/sources.ts";
import * as treeMembers from "../../db/bytes/tree-members.ts";
import { errno, reason } from "../../domain/error.ts";
import { freeLeftovers } from "../../domain/free-leftovers.ts";
import { filePart } from "../../domain/names.ts";
import { thisBoot } from "../../domain/process-identity.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { requireLease } from "../lease.ts";
import type { Lease } from "../lease.ts";
import { cannotTake } from "./cannot-take.ts";
import { stage } from "./stage.ts";
import type { IngestOptions, IngestUnit } from "./ingest-unit.ts";
import { sayGone } from "./say-gone.ts";
import { sha256OfStaged } from "../sha256.ts";
import type { StagedFile } from "./staged-blobs.ts";
import type { MovedIn, Staged, StagedUnit } from "./staged.ts";
import { stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";
import type { Problem } from "./walk.ts";

/** A unit whose bytes the store has, inside the transaction that names them. */
export interface Admitted {
  unit: IngestUnit;
  kind: "file" | "tree";
  blob: number;
  /** 64 hex digits of BLAKE3. */
  hex: string;
  /** Bytes; of a tree: of all its files. */
  size: number;
  files: number;
  mode: number;
  /** It changed each time it was read. */
  unsettled: boolean;
}

/** A file whose inode became a blob: it may be removed from where it lay, and then `settleMoved` closes the matter. */
export interface Moved {
  source: string;
  blob: number;
  path: string;
}

export interface Ingested<T> {
  result: T;
  problems: Problem[];
  moved: Moved[];
  /** Bytes and blobs that the store did not have before. */
  added: { blobs: number; bytes: number };
}

const MAX_ROUNDS = 5;

/**
 * Keeps units: 1. reads and hashes them into staging, durably; 2. gives the files their names in `binaries/`, durably; 3. in one write
 * transaction looks again at each digest, writes the rows, and calls `commit` for the rows that name them. Bytes before rows.
 *
 * What the store had when it was asked may be gone when the transaction looks again (a sweep took it meanwhile), and a file that is moved in may have been written to:
 * then everything begins anew, with those digests distrusted. Bytes that the store has lost or that were damaged are replaced by those that were read.
 * @throws CofferError UNREADABLE, STORE_UNUSABLE, PROTECTED where the lease was taken away; nothing is kept then
 */
export async function ingest<T>(
  store: Store,
  lease: Lease,
  units: readonly IngestUnit[],
  options: IngestOptions,
  commit: (admitted: Admitted[], problems: readonly Problem[]) => T,
): Promise<Ingested<T>> {
  if (units.length === 0)
    return { result: store.transaction((() => commit([], [])) as Work<T>), problems: [], moved: [], added: { blobs: 0, bytes: 0 } };
  const distrusted = new Set<string>();
  for (let round = 1; ; round++) {
    const staged = await stage(store, lease, units, options, distrusted);
    const sha256 = await sha256OfStaged(store, staged, options.sha256 !== undefined);
    for (const [hex, digest] of sha256) options.sha256?.set(hex, digest);
    const placed = place(store, staged, options.dataset);
    const surplus: string[] = [];
    const moved: Moved[] = [];
    const added = { blobs: 0, bytes: 0 };
    let result: T;
    freeLeftovers(staged.units.reduce((files, unit) => files + unit.files, 0));
    // so that what a statement of many rows may have to take back does not go through a file
    keepTablesInMemory(store.db);
    leaveLogForLater(store.db);
    try {
      result = store.transaction((() => {
        requireLease(store, lease);
        const seqs = admitBlobs(store, staged, placed, { dataset: options.dataset, sha256 }, { surplus, moved, added });
        syncPoint("ingest.admitted");
        const committed = commit(
          staged.units.map((unit) => admitUnit(store, unit, staged.blobs.hexOf(unit.blob), seqs)),
          staged.problems,
        );
        remember(store, staged.units);
        syncPoint("ingest.recorded");
        return committed;
      }) as Work<T>);
    } catch (error) {
      if (!isUncertain(error)) for (const path of placed.all) rmSync(path, { force: true });
      if (!(error instanceof Vanished) || round === MAX_ROUNDS) throw error;
      for (const hex of error.digests) distrusted.add(hex);
      syncPoint("ingest.vanished");
      continue;
    }
    syncPoint("ingest.committed");
    // committed: from here on nothing may take a placed file away again
    removeSurplus(store, surplus);
    return { result, problems: staged.problems, moved, added };
  }
}

/** Files that turned out to be there already. One that cannot be removed has no row, and is a stray for gc. */
function removeSurplus(store: Store, surplus: readonly string[]): void {
  for (const path of surplus) {
    try {
      rmSync(path, { force: true });
    } catch (error) {
      store.say(`${path} is not needed and could not be removed; gc will: ${reason(error)}`);
    }
  }
}

/** After the workspace's own names are gone: the blobs become read-only, and their rows learn the time stamps that this gave them. */
export function settleMoved(store: Store, moved: readonly Moved[]): void {
  if (moved.length === 0) return;
  for (const { path } of moved) chmodSync(path, 0o444);
  syncPoint("ingest.closed");
  store.transaction(() => {
    for (const { blob, path } of moved) blobs.restamp(store.db, blob, stampOf(lstatSync(path, { bigint: true })));
  });
}

class Vanished extends Error {
  readonly digests: readonly string[];
  constructor(digests: readonly string[]) {
    super(`${digests.length} blobs went away, or were written to, between reading and writing`);
    this.digests = digests;
  }
}

interface Placed {
  /** The final path of each staged file, by its blob's number. */
  files: Map<number, string>;
  pack: { id: string; path: string; size: number } | undefined;
  all: string[];
}

/** Gives staged files their lasting names. They have no rows yet: after a crash they are orphans, which gc takes when they are older than the grace. */
function place(store: Store, staged: Staged, dataset: string): Placed {
  const placed: Placed = { files: new Map(), pack: undefined, all: [] };
  sayGone(store);
  try {
    const directory = store.path("binaries", filePart(dataset));
    for (const [blob, file] of staged.blobs.files) {
      if (placed.all.length === 0) makeDirectory(directory);
      const path = placeFile(directory, staged.blobs.hexOf(blob), file);
      placed.files.set(blob, path);
      placed.all.push(path);
      syncPoint("ingest.placed-one");
    }
    if (placed.all.length > 0) syncDirectory(directory);
    if (staged.pack) {
      const id = Bun.randomUUIDv7();
      const path = store.path("binaries", filePart(dataset), "packs", `${id}.tar`);
      makeDirectory(store.path("binaries", filePart(dataset), "packs"));
      if (!renameNoReplace(staged.pack.path, path)) throw new Error(`two packs with one id: ${id}`);
      placed.all.push(path);
      chmodSync(path, 0o444);
      syncPoint("ingest.pack-placed");
      syncDirectory(store.path("binaries", filePart(dataset), "packs"));
      placed.pack = { id, path, size: staged.pack.size };
    }
    syncPoint("ingest.placed");
    return placed;
  } catch (error) {
    for (const path of placed.all) rmSync(path, { force: true });
    if (errno(error) === undefined) throw error;
    throw cannotTake(error);
  }
}

/** A name that is taken is never shared, whatever lies there: the short digests may agree, or someone planted a file. Returns the path. */
export function placeFile(directory: string, hex: string, file: Omit<StagedFile, "moved">): string {
  const name = { type: file.type, class: file.class, hex, path: file.original };
  for (const digits of [12, 16, 24, 32, 64]) {
    const path = `${directory}/${blobFileName(name, digits)}`;
    if (renameNoReplace(file.path, path)) return path;
  }
  const path = `${directory}/${blobFileName({ ...name, class: `${file.class ?? "-"}-${Bun.randomUUIDv7().slice(-12)}` }, 64)}`;
  if (renameNoReplace(file.path, path)) return path;
  throw new Error(`no free name for ${hex} in ${directory}`);
}

/** Rows of packed blobs that are written together. */
const ROWS_AT_ONCE = 250;

/** Returns the seq of each staged blob, by its number. */
function admitBlobs(
  store: Store,
  staged: Staged,
  placed: Placed,
  { dataset, sha256 }: { dataset: string; sha256: ReadonlyMap<string, Buffer> },
  out: { surplus: string[]; moved: Moved[]; added: { blobs: number; bytes: number } },
): Float64Array {
  const { blobs: its } = staged;
  const seqs = new Float64Array(its.count);
  const vanished: string[] = [];
  let pack: number | undefined;
  const packSeq = (): number => {
    if (!placed.pack) throw new Error("a packed blob without a pack");
    pack ??= packs.insert(store.db, {
      id: placed.pack.id,
      path: store.keep(placed.pack.path),
      dataset,
      size: placed.pack.size,
      created_at: store.now(),
      ...stampOf(lstatSync(placed.pack.path, { bigint: true })),
    });
    return pack;
  };
  const packed: { blob: number; blake3: Uint8Array; size: number; offset: number }[] = [];
  const insertPacked = (): void => {
    const rows = packed.splice(0);
    for (const [nth, seq] of blobs.insertPacked(store.db, rows, { pack: packSeq(), dataset, created_at: store.now() }).entries())
      seqs[(rows[nth] as { blob: number }).blob] = seq;
  };
  const isEmpty = blobs.isEmpty(store.db);
  // in the order of the index: random digests would touch a page each
  for (const blob of its.byDigest()) {
    const [digest, size, offset, staging] = [its.digestOf(blob), its.sizeOf(blob), its.offsetOf(blob), its.files.get(blob)];
    const row = isEmpty ? null : (blobs.known(store.db, digest) ?? unreadOne(store, { blake3: digest, size, sha256 }));
    const alive = row !== null && (row.state === "live" || row.state === "condemned");
    if (alive && (staged.doubted.size === 0 || !staged.doubted.has(its.hexOf(blob)))) {
      if (row.state === "condemned") blobs.revive(store.db, row.seq);
      if (staging) out.surplus.push(placed.files.get(blob) as string);
      seqs[blob] = row.seq;
      continue;
    }
    // nobody has its bytes any more; or whoever has its inode wrote to it since it was hashed: it is read again
    if (its.isKnown(blob) || (staging && wasWritten(placed.files.get(blob) as string, size, staging.moved))) {
      vanished.push(its.hexOf(blob));
      continue;
    }
    out.added.blobs++;
    out.added.bytes += size;
    if (offset !== undefined) {
      if (row) {
        blobs.replaceWithPacked(store.db, row.seq, { pack: packSeq(), offset, dataset });
        seqs[blob] = row.seq;
      } else if (packed.push({ blob, blake3: digest, size, offset }) === ROWS_AT_ONCE) insertPacked();
      continue;
    }
    const path = placed.files.get(blob) as string;
    const file = { path: store.keep(path), dataset, ...stampOf(lstatSync(path, { bigint: true })) };
    if (row) blobs.replaceWithFile(store.db, row.seq, file);
    const seq = row?.seq ?? blobs.insertFile(store.db, { blake3: digest, size, created_at: store.now(), ...file });
    seqs[blob] = seq;
    if (staging?.moved) out.moved.push({ source: staging.moved.source, blob: seq, path });
  }
  if (vanished.length > 0) throw new Vanished(vanished);
  if (packed.length > 0) insertPacked();
  // every member of this pack turned out to be there already
  if (placed.pack && pack === undefined) out.surplus.push(placed.pack.path);
  return seqs;
}

function wasWritten(path: string, size: number, moved: MovedIn | undefined): boolean {
  if (!moved) return false;
  const stat = lstatSync(path, { bigint: true });
  return stat.size !== BigInt(size) || stat.mtimeNs !== moved.mtime_ns;
}

/** The bytes of an import that nobody has read yet turn out to be these: its row gets them. */
function unreadOne(
  store: Store,
  { blake3, size, sha256 }: { blake3: Buffer; size: number; sha256: ReadonlyMap<string, Buffer> },
): ReturnType<typeof foreign.unread> {
  const its = sha256.size === 0 ? undefined : sha256.get(blake3.toString("hex"));
  const row = its ? foreign.unread(store.db, its) : null;
  if (row) foreign.learnBlake3(store.db, row.seq, { blake3, size });
  return row;
}

function admitUnit(
  store: Store,
  { unit, blob: number, size, files, mode, members, basis, unsettled }: StagedUnit,
  hex: string,
  seqs: Float64Array,
): Admitted {
  const blob = seqs[number] as number;
  if (basis) {
    const other = blobs.known(store.db, Buffer.from(basis.hex, "hex"))?.seq;
    // a sweep came between
    if (other === undefined || !treeMembers.revive(store.db, other, basis.members)) throw new Vanished([hex]);
    if (other !== blob) treeMembers.insertFrom(store.db, blob, other, basis.without);
  }
  if (members.length > 0) blobs.insertMembers(store.db, blob, Float64Array.from(members, (member) => seqs[member] as number).sort());
  return { unit, kind: unit.kind, blob, hex, size, files, mode, unsettled };
}

/** So that what does not change is not read again. */
function remember(store: Store, units: readonly StagedUnit[]): void {
  let isNew = false;
  for (const { unit, seen } of units) {
    if (seen === "same") sources.touch(store.db, unit.source, store.now());
    else if (seen) sources.keep(store.db, unit.source, { boot: thisBoot(), bytes: seen }, store.now());
    isNew ||= seen instanceof Buffer;
  }
  if (isNew) sources.makeRoom(store.db);
}
