import * as deadBlobs from "../db/dead-blobs.ts";
import * as garbage from "../db/garbage.ts";
import type { Keeper } from "../db/protection.ts";
import { spendable, spendableEdges, storedBytes } from "../db/spendable.ts";
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
  const dead: number[] = [];
  const { chosen, freed } = chooseToFit(units, spendableEdges(db), before - limit, freer(db, units, dead));
  const condemned = garbage.condemnForRoom(
    db,
    chosen.map((place) => ({ seq: units.seqs[place] as number, used: units.used[place] as number })),
  );
  deadBlobs.addDead(db, dead);
  return { limit: { bytes: limit, stored, after: before - freed, met: before - freed <= limit }, condemned };
}

interface Units {
  seqs: Float64Array;
  used: Float64Array;
  blobs: Float64Array;
  sizes: Float64Array;
  flags: Uint8Array;
}

const SHARED = 1;
const ENTANGLED = 2;

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
    units.flags[count++] = row.shared * SHARED + row.entangled * ENTANGLED;
  }
  return {
    seqs: units.seqs.subarray(0, count),
    used: units.used.subarray(0, count),
    blobs: units.blobs.subarray(0, count),
    sizes: units.sizes.subarray(0, count),
    flags: units.flags.subarray(0, count),
  };
}

function allocate(count: number): Units {
  const column = (): Float64Array => new Float64Array(count);
  return { seqs: column(), used: column(), blobs: column(), sizes: column(), flags: new Uint8Array(count) };
}

function copied(from: Units, to: Units): Units {
  for (const column of ["seqs", "used", "blobs", "sizes", "flags"] as const) to[column].set(from[column]);
  return to;
}

/** What each frees when it goes after those that went before it. Where directories have a part in it the database is asked, else it is counted here, and `dead` takes the blobs that go. */
function freer(db: Store["db"], { seqs, blobs, sizes, flags }: Units, dead: number[]): (place: number) => number | undefined {
  /** How many artifacts are left that name a blob which more than one does. */
  const left = new Map<number, number>();
  let last = -1;
  for (const blob of blobs.toSorted()) {
    if (blob === last) left.set(blob, (left.get(blob) ?? 1) + 1);
    last = blob;
  }
  return (place) => {
    const flag = flags[place] as number;
    if (flag & SHARED) return undefined;
    if (flag & ENTANGLED) return deadBlobs.addGarbage(db, seqs[place] as number);
    const blob = blobs[place] as number;
    const others = (left.get(blob) ?? 1) - 1;
    if (others > 0) {
      left.set(blob, others);
      return 0;
    }
    dead.push(blob);
    return sizes[place];
  };
}
