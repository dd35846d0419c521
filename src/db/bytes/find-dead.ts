import type { Database } from "bun:sqlite";
import type { Garbage } from "../garbage/condemn.ts";
import type { Artifacts } from "../garbage/read-artifacts.ts";
import { MARK } from "../garbage/read-blobs.ts";
import type { Blobs } from "../garbage/read-blobs.ts";
import { insertAll } from "../garbage/tables.ts";

// Which blobs nothing needs, now and once the garbage is gone.

const HELD = "SELECT l.blob FROM temp.gc_leases h CROSS JOIN lease_blobs l ON l.lease = h.seq";

/** No artifact outside the garbage, no living tree and no lease names the blob. */
export const dies = (
  blob: string,
): string => `NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = ${blob} AND k.seq NOT IN (SELECT seq FROM temp.gc_garbage))
  AND NOT EXISTS (SELECT 1 FROM tree_members m WHERE m.member = ${blob} AND m.tree NOT IN (SELECT seq FROM temp.gc_dead))
  AND ${blob} NOT IN (${HELD})`;

/**
 * Finds the blobs that no artifact, tree or lease names now, before anything is condemned: an interrupted sweep left them, or a lease that has ended. What
 * lies in directories among them is theirs too. Those of another dataset are left alone, and all of them where gc is stopped, or a list is lost.
 */
export function findUnnamed(db: Database, blobs: Blobs, dataset: string | null): void {
  if (!markDead(blobs, MARK.named | MARK.member | MARK.held)) return;
  writeDead(db, blobs);
  if (hasDeadTree(db, blobs)) addInside(db);
  db.query(
    `INSERT INTO temp.gc_left SELECT d.seq FROM temp.gc_dead d CROSS JOIN blobs b ON b.seq = d.seq
     WHERE (?1 IS NOT NULL AND b.dataset <> ?1) OR EXISTS (SELECT 1 FROM temp.gc_stopped) OR ${LIST_IS_LOST}`,
  ).run(dataset);
  db.run("DELETE FROM temp.gc_dead WHERE seq IN (SELECT seq FROM temp.gc_left)");
  db.run("INSERT INTO temp.gc_unnamed SELECT seq FROM temp.gc_dead");
  for (const { seq } of db.query<{ seq: number }, []>("SELECT seq FROM temp.gc_left").iterate()) (blobs.marks[seq] as number) |= MARK.left;
  readDead(db, blobs);
  unmarkLeft(blobs);
}

/** A directory lost its list, and a rebuild without it could not say what lies there: whatever nothing names may. */
const LIST_IS_LOST = `EXISTS (SELECT 1 FROM damage d CROSS JOIN artifacts a ON a.blob = d.blob
  WHERE a.kind = 'tree' AND a.files > 0 AND NOT EXISTS (SELECT 1 FROM tree_members m WHERE m.tree = d.blob))`;

/**
 * Finds what dies with the garbage, unnamed blobs among it, and what lies in trees that die: that is asked of the database, for which `write` puts all that
 * is found by then into its tables.
 */
export function findDead(db: Database, blobs: Blobs, artifacts: Artifacts, garbage: Garbage, write: () => void): void {
  const stays = new Uint8Array(blobs.marks.length);
  for (let seq = 0; seq < artifacts.blobs.length; seq++) if (garbage.rules[seq] === 0) stays[artifacts.blobs[seq] as number] = 1;
  if (markDead(blobs, MARK.member | MARK.held, stays) && hasDeadTree(db, blobs)) {
    write();
    addInside(db);
    db.run("DELETE FROM temp.gc_dead WHERE seq IN (SELECT seq FROM temp.gc_left)");
    readDead(db, blobs);
  }
  unmarkLeft(blobs);
}

/** Marks those that are there, without any of some marks, and that do not stay. Returns whether there is any. */
function markDead({ marks }: Blobs, spared: number, stays?: Uint8Array): boolean {
  let isAny = false;
  for (let seq = 0; seq < marks.length; seq++) {
    const was = marks[seq] as number;
    const isDead = (was & (MARK.there | spared)) === MARK.there && stays?.[seq] !== 1;
    const mark = isDead ? was | MARK.dead : was & ~MARK.dead;
    // a page that nothing is written to takes no memory, and one row may have a number far from the others
    if (mark !== was) marks[seq] = mark;
    isAny ||= isDead;
  }
  return isAny;
}

function unmarkLeft({ marks }: Blobs): void {
  for (let seq = 0; seq < marks.length; seq++) if ((marks[seq] as number) & MARK.left) (marks[seq] as number) &= ~MARK.dead;
}

/** One tree after the other by its key: their members may be many millions. */
const TREES = `trees (tree) AS (SELECT min(tree) FROM tree_members UNION ALL
  SELECT (SELECT min(m.tree) FROM tree_members m WHERE m.tree > trees.tree) FROM trees WHERE trees.tree IS NOT NULL)`;

function hasDeadTree(db: Database, { marks }: Blobs): boolean {
  let found = false;
  // read to its end: else it would hold this moment of the database
  for (const { tree } of db.query<{ tree: number | null }, []>(`WITH RECURSIVE ${TREES} SELECT tree FROM trees`).iterate())
    found ||= tree !== null && ((marks[tree] as number) & MARK.dead) !== 0;
  return found;
}

/** Adds what lies in trees that die, and nowhere else. */
function addInside(db: Database): void {
  for (let found = 1; found > 0;)
    found = db.run(
      `INSERT OR IGNORE INTO temp.gc_dead WITH RECURSIVE ${TREES} SELECT t.member FROM trees d CROSS JOIN tree_members t ON t.tree = d.tree
       WHERE d.tree IN (SELECT seq FROM temp.gc_dead) AND t.member NOT IN (SELECT seq FROM temp.gc_dead) AND ${dies("t.member")}`,
    ).changes;
}

/** Puts all that die into their table. */
export function writeDead(db: Database, { marks }: Blobs): void {
  const dead = new Uint32Array(marks.length);
  let count = 0;
  for (let seq = 0; seq < marks.length; seq++) if ((marks[seq] as number) & MARK.dead) dead[count++] = seq;
  writeSome(db, dead.subarray(0, count));
}

/** The same of those among some. */
export function writeDeadAmong(db: Database, { marks }: Blobs, seqs: Uint32Array): void {
  writeSome(
    db,
    seqs.filter((seq) => ((marks[seq] as number) & MARK.dead) !== 0),
  );
}

function writeSome(db: Database, seqs: Uint32Array): void {
  insertAll(db, "INSERT OR IGNORE INTO temp.gc_dead (seq) SELECT value FROM json_each(?)", seqs);
}

/** Marks what the table has. */
export function readDead(db: Database, { marks }: Blobs): void {
  for (const { seq } of db.query<{ seq: number }, []>("SELECT seq FROM temp.gc_dead").iterate()) (marks[seq] as number) |= MARK.dead;
}
