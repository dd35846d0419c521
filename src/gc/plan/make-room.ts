import { readDead } from "../../db/bytes/find-dead.ts";
import { condemnForRoom } from "../../db/garbage/condemn.ts";
import type { Keeper } from "../../db/garbage/protection.ts";
import { MARK, storedBytes } from "../../db/garbage/read-blobs.ts";
import { readLineage } from "../../db/garbage/read-lineage.ts";
import { STATE } from "../../db/garbage/read-artifacts.ts";
import { addGarbage, lastUses, rooted } from "../../db/garbage/spendable.ts";
import type { Store } from "../../store/store.ts";
import { chooseToFit } from "./fit.ts";
import type { GcPlan } from "./gc-plan.ts";
import { writeRows } from "./gc-rows.ts";
import type { GcRows } from "./gc-rows.ts";

/** Adds to the garbage what was used longest ago, until no more than `limit` bytes are stored, where `dead` bytes go already. Returns what that frees. */
export function makeRoom(
  { db }: Store,
  rows: GcRows,
  limit: number,
  dead: number,
  except: ReadonlySet<Keeper>,
): { limit: NonNullable<GcPlan["limit"]>; condemned: number; freed: number } {
  const { artifacts, blobs, garbage } = rows;
  const stored = storedBytes(blobs);
  const before = stored - dead;
  if (before <= limit) return { limit: { bytes: limit, stored, after: before, met: true }, condemned: 0, freed: 0 };
  const lineage = readLineage(db, artifacts.states.length);
  const isRooted = rooted(db, garbage, artifacts, lineage, except);
  const stays = bytesOf(isRooted, rows);
  const mayGo = spendable(isRooted, rows);
  const free = freer(db, rows, mayGo, stays);
  const { count, freed } = chooseToFit({ mayGo, used: lastUsed(db, rows), lineage }, before - limit, (seq) => {
    const bytes = free(seq);
    if (bytes !== undefined) condemnForRoom(garbage, seq);
    return bytes;
  });
  readDead(db, blobs);
  return { limit: { bytes: limit, stored, after: before - freed, met: before - freed <= limit }, condemned: count, freed };
}

/** What may go, in the column of what stays: it is not asked for again, and each column of a million artifacts is a megabyte of the hundred that such a plan takes. */
function spendable(isRooted: Uint8Array, { artifacts, garbage }: GcRows): Uint8Array {
  for (let seq = 0; seq < isRooted.length; seq++) {
    const mayGo = isRooted[seq] === 0 && artifacts.states[seq] === STATE.live && garbage.rules[seq] === 0 ? 1 : 0;
    if (isRooted[seq] !== mayGo) isRooted[seq] = mayGo;
  }
  return isRooted;
}

/** When each was last used: raises the column that has when it was first. Times take eight bytes of each. */
function lastUsed(db: Store["db"], { artifacts, blobs }: GcRows): Float64Array {
  const uses = new Float64Array(blobs.marks.length);
  let isAny = false;
  for (const { blob, last_used } of lastUses(db)) {
    uses[blob] = last_used;
    isAny = true;
  }
  const { used } = artifacts;
  if (isAny)
    for (let seq = 0; seq < used.length; seq++) used[seq] = Math.max(used[seq] as number, uses[artifacts.blobs[seq] as number] as number);
  return used;
}

/** The blobs of some artifacts, as marks. */
function bytesOf(some: Uint8Array, { artifacts, blobs }: GcRows): Uint8Array {
  const marks = new Uint8Array(blobs.marks.length);
  for (let seq = 0; seq < some.length; seq++) if (some[seq] === 1) marks[artifacts.blobs[seq] as number] = 1;
  return marks;
}

/**
 * What each frees when it goes after those that went before it. Where directories have a part in it the database is asked, else it is counted here, and
 * the blobs that go are marked as dead. Nothing goes whose bytes something that stays has too.
 */
function freer(db: Store["db"], rows: GcRows, mayGo: Uint8Array, stays: Uint8Array): (seq: number) => number | undefined {
  const { artifacts, blobs } = rows;
  /** How many artifacts are left that name a blob. */
  const left = new Uint32Array(stays.length);
  /** A directory, or a file that a directory has too. */
  const entangled = bytesOf(artifacts.trees, rows);
  for (let seq = 0; seq < mayGo.length; seq++) if (mayGo[seq] === 1) (left[artifacts.blobs[seq] as number] as number)++;
  let isWritten = false;
  return (seq) => {
    const blob = artifacts.blobs[seq] as number;
    if (stays[blob]) return undefined;
    if (entangled[blob] || (blobs.marks[blob] as number) & MARK.member) {
      if (!isWritten) writeRows(db, rows);
      isWritten = true;
      return addGarbage(db, seq);
    }
    if (--(left[blob] as number) > 0) return 0;
    (blobs.marks[blob] as number) |= MARK.dead;
    return blobs.sizes[blob];
  };
}
