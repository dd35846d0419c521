import type { Database } from "bun:sqlite";
import { roomFor } from "../garbage/columns.ts";
import { MARK } from "../garbage/read-blobs.ts";
import type { Blobs } from "../garbage/read-blobs.ts";
import { insertAll } from "../garbage/tables.ts";

/** What a member takes of a tar file: a header, and its bytes up to the next whole block. Of the blob `b`; SQL. */
const IN_TAR = "512 + (b.size + 511) / 512 * 512";

/** The same of a size, where rows are read already. */
function inTar(size: number): number {
  return 512 + Math.ceil(size / 512) * 512;
}

/** Packs and their members, where none dies: what a tar file of them takes, but for its end. */
const NOW = `SELECT b.pack AS seq, count(*) AS members, 0 AS dying, sum(${IN_TAR}) AS live, 0 AS dead FROM blobs b WHERE b.pack IS NOT NULL GROUP BY b.pack`;

/** Finds out what becomes of each pack, once nothing more dies. Returns the bytes that are free only when packs are rewritten. */
export function measurePacks(db: Database, { marks, sizes, packs }: Blobs): number {
  const room = roomFor(db, "packs");
  const [members, dying, live, dead] = [new Uint32Array(room), new Uint32Array(room), new Float64Array(room), new Float64Array(room)];
  for (let seq = 0; seq < packs.length; seq++) {
    const pack = packs[seq] as number;
    if (pack === 0) continue;
    const size = sizes[seq] as number;
    if ((marks[seq] as number) & MARK.dead) {
      (dying[pack] as number)++;
      (dead[pack] as number) += size;
    } else {
      (members[pack] as number)++;
      (live[pack] as number) += inTar(size);
    }
  }
  const used = Uint32Array.from(members.keys()).filter((pack) => (members[pack] as number) + (dying[pack] as number) > 0);
  db.run("DELETE FROM temp.gc_packs");
  insertAll(
    db,
    `INSERT INTO temp.gc_packs (seq, members, dying, live, dead)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)`,
    used,
    (pack) => JSON.stringify([pack, members[pack], dying[pack], live[pack], dead[pack]]),
  );
  return used.reduce((bytes, pack) => bytes + ((members[pack] as number) > 0 ? (dead[pack] as number) : 0), 0);
}

export interface HollowPack {
  seq: number;
  path: string;
  size: number;
  /** How many members stay, how many die now, and the bytes of a pack of those that stay. */
  members: number;
  dying: number;
  live: number;
  /** Where no member stays: the bytes of all, and of those that artifacts of the plan have among theirs. */
  bytes: number;
  counted: number;
}

/** Packs that are more than half dead once the plan of this connection is done; with no member left, or to be rewritten. After `measurePacks`. */
export function hollowOnce(db: Database, dataset: string | null): HollowPack[] {
  return hollow(db, dataset, "temp.gc_packs");
}

/** Those that are so now. */
export function hollowNow(db: Database, dataset: string | null): HollowPack[] {
  return hollow(db, dataset, `(${NOW})`);
}

function hollow(db: Database, dataset: string | null, measured: string): HollowPack[] {
  return db
    .query<HollowPack, [string | null]>(
      `SELECT p.seq, p.path, p.size, ifnull(k.members, 0) AS members, ifnull(k.dying, 0) AS dying, ifnull(k.live, 0) AS live,
         iif(k.members = 0, k.dead, 0) AS bytes,
         iif(k.members = 0, (SELECT ifnull(sum(o.size), 0) FROM blobs o WHERE o.pack = p.seq AND o.seq NOT IN (SELECT seq FROM temp.gc_unnamed)), 0) AS counted
       FROM packs p LEFT JOIN ${measured} k ON k.seq = p.seq WHERE (?1 IS NULL OR p.dataset = ?1) AND (ifnull(k.members, 0) = 0 OR 2 * k.live < p.size) ORDER BY p.seq`,
    )
    .all(dataset);
}
