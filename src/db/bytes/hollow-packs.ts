import type { Database } from "bun:sqlite";

/** What a tar file takes of a member. */
const IN_TAR = "512 + (b.size + 511) / 512 * 512";

/** Packs and their members, by those that die: what a tar file of the others takes, but for its end. */
const ONCE = `SELECT b.pack AS seq, count(*) - count(d.seq) AS members, count(d.seq) AS dying,
  sum(iif(d.seq IS NULL, ${IN_TAR}, 0)) AS live, sum(iif(d.seq IS NULL, 0, b.size)) AS dead
  FROM blobs b LEFT JOIN temp.gc_dead d ON d.seq = b.seq WHERE b.pack IS NOT NULL GROUP BY b.pack`;

/** The same where none does. A join that finds nothing (`AND 0`) is no short way to it: SQLite then reads that table once for each blob. */
const NOW = `SELECT b.pack AS seq, count(*) AS members, 0 AS dying, sum(${IN_TAR}) AS live, 0 AS dead FROM blobs b WHERE b.pack IS NOT NULL GROUP BY b.pack`;

/** Finds out what becomes of each pack, once nothing more dies. Returns the bytes that are free only when packs are rewritten. */
export function measurePacks(db: Database): number {
  db.run("DELETE FROM temp.gc_packs");
  db.run(`INSERT INTO temp.gc_packs (seq, members, dying, live, dead) ${ONCE}`);
  return (db.query("SELECT ifnull(sum(dead), 0) AS bytes FROM temp.gc_packs WHERE members > 0").get() as { bytes: number }).bytes;
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
