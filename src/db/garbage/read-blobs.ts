import type { Database } from "bun:sqlite";
import { roomFor } from "./columns.ts";
import { eachPair } from "./each-pair.ts";
import type { Artifacts } from "./read-artifacts.ts";

/** What gc knows of all blobs, in columns by their seqs. */
export interface Blobs {
  /** Sums of `MARK`; 0: there is none of this seq. */
  marks: Uint8Array;
  /** Bytes that the store itself keeps. */
  sizes: Float64Array;
  /** The pack that it lies in, or 0. */
  packs: Uint32Array;
}

/**
 * named: an artifact has it now. member: a directory has it. held: a lease that protects has it. left: nothing names it, and this plan leaves it alone.
 * dead: nothing needs it once the garbage is gone.
 */
export const MARK = { there: 1, named: 2, member: 4, held: 8, left: 16, dead: 32 } as const;

/** Sizes from here on are read apart: they do not fit beside a seq. */
const LARGE = 2 ** 26;

/** Two indexes know of all blobs, each of its part, what their rows know: those are five times as large. After `openTables`. */
export function readBlobs(db: Database, artifacts: Artifacts): Blobs {
  const room = roomFor(db, "blobs");
  const blobs: Blobs = { marks: new Uint8Array(room), sizes: new Float64Array(room), packs: new Uint32Array(room) };
  const { marks, sizes, packs } = blobs;
  const take = (seq: number, size: number, pack: number): void => {
    marks[seq] = MARK.there;
    sizes[seq] = size;
    packs[seq] = pack;
  };
  const columns = { a: "seq", b: "size" };
  eachPair(db, { ...columns, from: `blobs WHERE place <> 'pack' AND size < ${LARGE}`, below: room }, take);
  eachPair(db, { ...columns, from: `blobs WHERE place <> 'pack' AND size >= ${LARGE}`, below: Infinity }, take);
  const large: number[] = [];
  eachPair(db, { a: "seq", b: `min(size, ${LARGE})`, c: "pack", from: "blobs WHERE pack IS NOT NULL", below: room }, (seq, size, pack) => {
    take(seq, size, pack);
    if (size === LARGE) large.push(seq);
  });
  const sizeOf = db.query<{ size: number }, [number]>("SELECT size FROM blobs WHERE seq = ?");
  for (const seq of large) sizes[seq] = sizeOf.get(seq)?.size ?? 0;
  // what lies elsewhere has an absolute path, and no file of ours has
  each(db, "SELECT seq FROM blobs WHERE path >= '/' AND path < '0' AND place = 'foreign'", (seq) => (sizes[seq] = 0));
  const mark = (as: number) => (seq: number) => void ((marks[seq] as number) |= as);
  each(db, "SELECT DISTINCT member AS seq FROM tree_members", mark(MARK.member));
  each(db, "SELECT l.blob AS seq FROM temp.gc_leases h CROSS JOIN lease_blobs l ON l.lease = h.seq", mark(MARK.held));
  for (let seq = 0; seq < artifacts.blobs.length; seq++) (marks[artifacts.blobs[seq] as number] as number) |= MARK.named;
  marks[0] = 0;
  return blobs;
}

function each(db: Database, query: string, take: (seq: number) => void): void {
  for (const { seq } of db.query<{ seq: number }, []>(query).iterate()) take(seq);
}

/** Bytes of all blobs that the store itself keeps. */
export function storedBytes({ sizes }: Blobs): number {
  let bytes = 0;
  for (let seq = 0; seq < sizes.length; seq++) bytes += sizes[seq] as number;
  return bytes;
}

/** Bytes that die, at once or after repacking. */
export function deadBytes({ marks, sizes }: Blobs): number {
  let bytes = 0;
  for (let seq = 0; seq < marks.length; seq++) if ((marks[seq] as number) & MARK.dead) bytes += sizes[seq] as number;
  return bytes;
}
