import * as deadBlobs from "../../db/bytes/dead-blobs.ts";
import * as garbage from "../../db/garbage/garbage.ts";
import type { Keeper } from "../../db/garbage/protection.ts";
import { allEdges, blobSizes, lastSeq, lastUses, live, rooted, sharedWithTrees, storedBytes } from "../../db/garbage/spendable.ts";
import type { Store } from "../../store/store.ts";
import { chooseToFit } from "./fit.ts";
import type { GcPlan } from "./gc-plan.ts";

/** Adds to the garbage what was used longest ago, until no more than `limit` bytes are stored, where `dead` bytes go already. Returns what that frees. */
export function makeRoom(
  { db }: Store,
  limit: number,
  dead: number,
  except: ReadonlySet<Keeper>,
): { limit: NonNullable<GcPlan["limit"]>; condemned: number; freed: number } {
  const stored = storedBytes(db);
  const before = stored - dead;
  if (before <= limit) return { limit: { bytes: limit, stored, after: before, met: true }, condemned: 0, freed: 0 };
  const blobs = readBlobs(db);
  const units = readUnits(db, blobs, except);
  const dies = new Uint8Array(blobs.sizes.length);
  const { chosen, freed } = chooseToFit(units, allEdges(db), before - limit, freer(db, units, blobs, dies));
  // what choosing took is a third of all memory, and the engine does not see how large its arrays are
  Bun.gc(true);
  const goes = new Uint8Array(units.seqs.length);
  for (const place of chosen) goes[place] = 1;
  garbage.condemnForRoom(
    db,
    marked(goes).map((place) => units.seqs[place] as number),
  );
  deadBlobs.addDead(db, marked(dies));
  return { limit: { bytes: limit, stored, after: before - freed, met: before - freed <= limit }, condemned: chosen.length, freed };
}

/** The places that are marked, in order. */
function marked(marks: Uint8Array): Float64Array {
  const places = new Float64Array(marks.length);
  let count = 0;
  for (let place = 0; place < marks.length; place++) if (marks[place]) places[count++] = place;
  return places.subarray(0, count);
}

/** What it takes to know of each blob, by its seq: in arrays, since a question for each of a million rows takes longer than reading all of them. */
interface Blobs {
  /** Bytes; 0 where an import left them elsewhere. */
  sizes: Float64Array;
  used: Float64Array;
  /** Something that stays has it. */
  stays: Uint8Array;
  /** A directory, or a file that a directory has too. */
  entangled: Uint8Array;
}

function readBlobs(db: Store["db"]): Blobs {
  const room = lastSeq(db, "blobs") + 1;
  const blobs: Blobs = {
    sizes: new Float64Array(room),
    used: new Float64Array(room),
    stays: new Uint8Array(room),
    entangled: new Uint8Array(room),
  };
  for (const { seq, size } of blobSizes(db)) blobs.sizes[seq] = size;
  for (const { blob, last_used } of lastUses(db)) blobs.used[blob] = last_used;
  for (const { blob } of sharedWithTrees(db)) blobs.entangled[blob] = 1;
  return blobs;
}

/** Artifacts that may go, in the order of their seqs. */
interface Units {
  seqs: Float64Array;
  used: Float64Array;
  blobs: Float64Array;
}

function readUnits(db: Store["db"], { used, stays, entangled }: Blobs, except: ReadonlySet<Keeper>): Units {
  const room = lastSeq(db, "artifacts") + 1;
  const isRooted = new Uint8Array(room);
  for (const { seq, blob } of rooted(db, except)) {
    isRooted[seq] = 1;
    if (blob !== null) stays[blob] = 1;
  }
  // pages of these that nothing is written to take no memory
  const units = { seqs: new Float64Array(room), used: new Float64Array(room), blobs: new Float64Array(room) };
  let count = 0;
  for (const { seq, blob, created_at, isTree } of live(db)) {
    if (isRooted[seq]) continue;
    if (isTree) entangled[blob] = 1;
    units.seqs[count] = seq;
    units.used[count] = Math.max(created_at, used[blob] as number);
    units.blobs[count++] = blob;
  }
  return { seqs: units.seqs.subarray(0, count), used: units.used.subarray(0, count), blobs: units.blobs.subarray(0, count) };
}

/**
 * What each frees when it goes after those that went before it. Where directories have a part in it the database is asked, else it is counted here, and
 * the blobs that go are marked in `dies`. Nothing goes whose bytes something that stays has too.
 */
function freer(db: Store["db"], units: Units, { sizes, stays, entangled }: Blobs, dies: Uint8Array): (place: number) => number | undefined {
  /** How many artifacts are left that name a blob. */
  const left = new Uint32Array(dies.length);
  for (let place = 0; place < units.blobs.length; place++) (left[units.blobs[place] as number] as number)++;
  return (place) => {
    const blob = units.blobs[place] as number;
    if (stays[blob]) return undefined;
    if (entangled[blob]) return deadBlobs.addGarbage(db, units.seqs[place] as number);
    if (--(left[blob] as number) > 0) return 0;
    dies[blob] = 1;
    return sizes[blob];
  };
}
