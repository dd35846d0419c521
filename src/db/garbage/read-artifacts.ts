import type { Database } from "bun:sqlite";
import { collectAfter, collectRest, longer, roomFor } from "./columns.ts";
import { eachPair } from "./each-pair.ts";

/** What gc knows of all artifacts, in columns by their seqs. */
export interface Artifacts {
  /** One of `STATE`; 0: there is none of this seq. */
  states: Uint8Array;
  /** The seqs of their blobs; 0: it is a tombstone. */
  blobs: Uint32Array;
  /** Live, and made before the time that was asked for. */
  old: Uint8Array;
  /** Of live ones, where it was asked for: when they were first used, which is when they were made; milliseconds. `makeRoom` raises it to when they were last. */
  used: Float64Array;
  /** Of the same: 1 for directories. */
  trees: Uint8Array;
}

export const STATE = { live: 1, outOfSight: 2, deleted: 3 } as const;

/** Of what is live an index knows all of this: a row is ten times as large. `times`: what was made when is wanted of each. */
export function readArtifacts(db: Database, { before, times }: { before: number | null; times: boolean }): Artifacts {
  const room = roomFor(db, "artifacts");
  // pages of these that nothing is written to take no memory
  const artifacts: Artifacts = {
    states: new Uint8Array(room),
    blobs: new Uint32Array(room),
    old: new Uint8Array(room),
    used: new Float64Array(times ? room : 0),
    trees: new Uint8Array(times ? room : 0),
  };
  const { states, blobs, old, used, trees } = artifacts;
  const below = Math.max(room, roomFor(db, "blobs"));
  const columns = { a: "seq", b: "blob * 2 + (created_at < ?)", from: "artifacts WHERE state = 'live'", below, given: [before ?? 0] };
  const take = (seq: number, blob: number): void => {
    states[seq] = STATE.live;
    blobs[seq] = Math.floor(blob / 2);
    if (blob % 2 === 1) old[seq] = 1;
  };
  if (times)
    eachPair(db, { ...columns, c: "created_at * 2 + (kind = 'tree')" }, (seq, blob, made) => {
      take(seq, blob);
      used[seq] = Math.floor(made / 2);
      // before 1970 the rest of an odd one is -1
      if (made % 2 !== 0) trees[seq] = 1;
    });
  else eachPair(db, columns, take);
  eachPair(db, { a: "seq", b: "blob", from: "artifacts WHERE state IN ('withdrawn', 'removed')", below }, (seq, blob) => {
    states[seq] = STATE.outOfSight;
    blobs[seq] = blob;
  });
  for (const { seq } of db.query<{ seq: number }, []>("SELECT seq FROM artifacts WHERE state = 'deleted'").iterate())
    states[seq] = STATE.deleted;
  return artifacts;
}

/** Hands over, name by name, the live versions of each: their seqs, the newest last, and how many. The list is another name's a moment later. */
export function eachName(db: Database, { states }: Artifacts, take: (versions: Uint32Array, count: number) => void): void {
  const counts = db.query<{ n: number }, []>("SELECT count(*) AS n FROM artifacts WHERE name IS NOT NULL GROUP BY name ORDER BY name");
  const versions = db.query<{ seq: number }, []>("SELECT seq FROM artifacts WHERE name IS NOT NULL ORDER BY name, version");
  // two passes over one index, beside each other: a million names as words would take longer, and a window over each name four times as long
  const names = counts.iterate();
  let list = new Uint32Array(4096);
  let count = 0;
  let unread = 0;
  let live = 0;
  for (const { seq } of versions.iterate()) {
    collectAfter(++count);
    if (unread === 0) unread = (names.next().value as { n: number }).n;
    if (live === list.length) list = longer(list);
    if (states[seq] === STATE.live) list[live++] = seq;
    if (--unread > 0) continue;
    if (live > 0) take(list, live);
    live = 0;
  }
  // a statement that was not read to its end would hold this moment of the database for good, and nothing could be written
  for (const _ of names);
  collectRest(count);
}
