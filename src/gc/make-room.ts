import * as deadBlobs from "../db/dead-blobs.ts";
import * as garbage from "../db/garbage.ts";
import type { Keeper } from "../db/protection.ts";
import { allEdges, lastBlob, rootedBlobs, spendable, storedBytes } from "../db/spendable.ts";
import type { SpendableRow } from "../db/spendable.ts";
import type { Store } from "../store/store.ts";
import { chooseToFit } from "./fit.ts";
import type { GcPlan } from "./gc-plan.ts";

/** Adds to the garbage what was used longest ago, until no more than `limit` bytes are stored. */
export function makeRoom(
  { db }: Store,
  limit: number,
  except: ReadonlySet<Keeper>,
): { limit: NonNullable<GcPlan["limit"]>; condemned: number } {
  const stored = storedBytes(db);
  const before = stored - deadBlobs.allDeadBytes(db);
  if (before <= limit) return { limit: { bytes: limit, stored, after: before, met: true }, condemned: 0 };
  const units = readUnits(spendable(db, except));
  const dies = new Uint8Array(lastBlob(db) + 1);
  const { chosen, freed } = chooseToFit(units, allEdges(db), before - limit, freer(db, units, dies));
  const goes = new Uint8Array(units.seqs.length);
  for (const place of chosen) goes[place] = 1;
  garbage.condemnForRoom(
    db,
    marked(goes).map((place) => units.seqs[place] as number),
  );
  deadBlobs.addDead(db, marked(dies));
  return { limit: { bytes: limit, stored, after: before - freed, met: before - freed <= limit }, condemned: chosen.length };
}

/** The places that are marked, in order. */
function marked(marks: Uint8Array): Float64Array {
  const places = new Float64Array(marks.length);
  let count = 0;
  for (let place = 0; place < marks.length; place++) if (marks[place]) places[count++] = place;
  return places.subarray(0, count);
}

interface Units {
  seqs: Float64Array;
  used: Float64Array;
  blobs: Float64Array;
  sizes: Float64Array;
  entangled: Uint8Array;
}

function readUnits(rows: Iterable<SpendableRow>): Units {
  let room = 1 << 16;
  let units = allocate(room);
  let count = 0;
  for (const row of rows) {
    if (count === room) units = copied(units, allocate((room *= 2)));
    units.seqs[count] = row.seq;
    units.used[count] = row.used;
    units.blobs[count] = row.blob;
    units.sizes[count] = row.size;
    units.entangled[count++] = row.entangled;
  }
  return {
    seqs: units.seqs.subarray(0, count),
    used: units.used.subarray(0, count),
    blobs: units.blobs.subarray(0, count),
    sizes: units.sizes.subarray(0, count),
    entangled: units.entangled.subarray(0, count),
  };
}

function allocate(count: number): Units {
  const column = (): Float64Array => new Float64Array(count);
  return { seqs: column(), used: column(), blobs: column(), sizes: column(), entangled: new Uint8Array(count) };
}

function copied(from: Units, to: Units): Units {
  for (const column of ["seqs", "used", "blobs", "sizes", "entangled"] as const) to[column].set(from[column]);
  return to;
}

/**
 * What each frees when it goes after those that went before it. Where directories have a part in it the database is asked, else it is counted here, and
 * the blobs that go are marked in `dies`. Nothing goes whose bytes something that stays has too.
 */
function freer(db: Store["db"], { seqs, blobs, sizes, entangled }: Units, dies: Uint8Array): (place: number) => number | undefined {
  const stays = new Uint8Array(dies.length);
  for (const { blob } of rootedBlobs(db)) stays[blob] = 1;
  /** How many artifacts are left that name a blob. */
  const left = new Uint32Array(dies.length);
  for (let place = 0; place < blobs.length; place++) (left[blobs[place] as number] as number)++;
  return (place) => {
    const blob = blobs[place] as number;
    if (stays[blob]) return undefined;
    if (entangled[place]) return deadBlobs.addGarbage(db, seqs[place] as number);
    if (--(left[blob] as number) > 0) return 0;
    dies[blob] = 1;
    return sizes[place];
  };
}
