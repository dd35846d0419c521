import type { Database } from "bun:sqlite";

/** What a tar file of the members `b` takes, but for its end. */
const FOOTPRINT = "ifnull(sum(512 + (b.size + 511) / 512 * 512), 0)";

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

/** Packs that are more than half dead once the plan of this connection is done; with no member left, or to be rewritten. */
export function hollowOnce(db: Database, dataset: string | null): HollowPack[] {
  return hollow(db, dataset, "AND b.seq NOT IN (SELECT seq FROM temp.gc_dead)", "AND o.seq NOT IN (SELECT seq FROM temp.gc_unnamed)");
}

/** Those that are so now. */
export function hollowNow(db: Database, dataset: string | null): HollowPack[] {
  return hollow(db, dataset, "", "AND 0");
}

function hollow(db: Database, dataset: string | null, stays: string, isCounted: string): HollowPack[] {
  return db
    .query<HollowPack, [string | null]>(
      `SELECT p.seq, p.path, p.size, count(b.seq) AS members, ${FOOTPRINT} AS live, (SELECT count(*) FROM blobs d WHERE d.pack = p.seq) - count(b.seq) AS dying,
         iif(count(b.seq) = 0, (SELECT ifnull(sum(o.size), 0) FROM blobs o WHERE o.pack = p.seq), 0) AS bytes,
         iif(count(b.seq) = 0, (SELECT ifnull(sum(o.size), 0) FROM blobs o WHERE o.pack = p.seq ${isCounted}), 0) AS counted
       FROM packs p LEFT JOIN blobs b ON b.pack = p.seq ${stays} WHERE ?1 IS NULL OR p.dataset = ?1
       GROUP BY p.seq HAVING count(b.seq) = 0 OR 2 * ${FOOTPRINT} < p.size`,
    )
    .all(dataset);
}
