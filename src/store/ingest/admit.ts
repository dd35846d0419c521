import { lstatSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import * as packs from "../../db/bytes/packs.ts";
import * as treeMembers from "../../db/bytes/tree-members.ts";
import type { Admitted, Moved } from "./admitted.ts";
import type { Placed } from "./place.ts";
import type { StagedBlobs } from "./staged-blobs.ts";
import type { MovedIn, Staged, StagedUnit } from "./staged.ts";
import { stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";

/** What was read counts on bytes that are not there any more: all of it is read again. */
export class Vanished extends Error {
  /** Not to be looked for in the store the next time. */
  readonly digests: readonly string[];
  constructor(digests: readonly string[]) {
    super("bytes that the store had, or that it was given, went away, were damaged or were written to between reading and writing");
    this.digests = digests;
  }
}

/** Returns the seq of each staged blob, by its number. */
export function admitBlobs(
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
      } else if (packed.push({ blob, blake3: digest, size, offset }) === blobs.PACKED_AT_ONCE) insertPacked();
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

/** @throws Vanished where what it names went away, or was found damaged, since it was read */
export function admitUnit(store: Store, staged: StagedUnit, its: StagedBlobs, seqs: Float64Array): Admitted {
  const { unit, size, files, mode, members, basis, unsettled } = staged;
  const seqOf = (one: number): number => {
    const seq = seqs[one] as number;
    // forgotten: a file with the same bytes found them damaged, and was another one by then. The next round finds them damaged before anyone counts on them
    if (seq === 0) throw new Vanished([]);
    return seq;
  };
  const [blob, hex] = [seqOf(staged.blob), its.hexOf(staged.blob)];
  if (basis) {
    const other = blobs.known(store.db, Buffer.from(basis.hex, "hex"))?.seq;
    // a sweep came between
    if (other === undefined || !treeMembers.revive(store.db, other, basis.members)) throw new Vanished([hex]);
    if (other !== blob) treeMembers.insertFrom(store.db, blob, other, basis.without);
  }
  if (members.length > 0) blobs.insertMembers(store.db, blob, Float64Array.from(members, seqOf).sort());
  return { unit, kind: unit.kind, blob, hex, size, files, mode, unsettled };
}
