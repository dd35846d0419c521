import type { Database } from "bun:sqlite";
import type { FileStamp } from "./blobs.ts";

export interface PackRow {
  seq: number;
  id: string;
  path: string;
  dataset: string;
  size: number;
  created_at: number;
}

export function insert(db: Database, pack: Omit<PackRow, "seq"> & FileStamp): number {
  return Number(
    db
      .query("INSERT INTO packs (id, path, dataset, size, mtime_ns, ctime_ns, inode, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .run(pack.id, pack.path, pack.dataset, pack.size, pack.mtime_ns, pack.ctime_ns, pack.inode, pack.created_at).lastInsertRowid,
  );
}

/** What the file looked like when it was written: any difference means that somebody touched it. */
export function stampOf(db: Database, pack: number): (FileStamp & { size: number }) | null {
  const row = db
    .query<FileStamp & { size: bigint }, [number]>("SELECT mtime_ns, ctime_ns, inode, size FROM packs WHERE seq = ?")
    .safeIntegers(true)
    .get(pack);
  return row && { ...row, size: Number(row.size) };
}

const COLUMNS = "seq, id, path, dataset, size, created_at";

export function bySeq(db: Database, seq: number): PackRow | null {
  return db.query<PackRow, [number]>(`SELECT ${COLUMNS} FROM packs WHERE seq = ?`).get(seq);
}

/** How many members it has by now, and its size. */
export function atPath(db: Database, path: string): { members: number; size: number } | null {
  return db
    .query<{ members: number; size: number }, [string]>(
      "SELECT size, (SELECT count(*) FROM blobs WHERE pack = packs.seq) AS members FROM packs WHERE path = ?",
    )
    .get(path);
}

export function all(db: Database): PackRow[] {
  return db.query<PackRow, []>(`SELECT ${COLUMNS} FROM packs ORDER BY seq`).all();
}

/** Whether a lease holds a member of a pack, or a directory with a file in it. */
export function isHeld(db: Database, pack: number): boolean {
  return (
    db
      .query(
        `SELECT 1 FROM lease_blobs l WHERE EXISTS (SELECT 1 FROM blobs b WHERE b.seq = l.blob AND b.pack = ?1)
           OR EXISTS (SELECT 1 FROM tree_members t JOIN blobs b ON b.seq = t.member WHERE t.tree = l.blob AND b.pack = ?1) LIMIT 1`,
      )
      .get(pack) !== null
  );
}

/** Moves members whose bytes were written to another pack, each to its offset there, but for those that are no longer where they were. */
export function moveMembers(db: Database, offsets: ReadonlyMap<number, number>, from: number, to: { pack: number; dataset: string }): void {
  const all = [...offsets];
  // the plus: else SQLite goes through all of the pack, and through the list for each of its members
  const move = db.query(
    `UPDATE blobs SET pack = ?1, dataset = ?2, offset = moved.value ->> 1 FROM json_each(?3) moved
     WHERE blobs.seq = moved.value ->> 0 AND +blobs.pack = ?4 AND blobs.state IN ('live', 'condemned')`,
  );
  for (let at = 0; at < all.length; at += MOVED_AT_ONCE)
    move.run(to.pack, to.dataset, JSON.stringify(all.slice(at, at + MOVED_AT_ONCE)), from);
}

const MOVED_AT_ONCE = 5000;

/** Members that lie as near to one another in a new pack as in the old one: the offsets of the first and the last there, and how many bytes nearer to the front all of them are now. */
export interface MemberRun {
  first: number;
  last: number;
  nearer: number;
}

/** The same for all that lies in some runs of a pack: a row is moved by where it lies, and nothing is said of each. */
export function moveRuns(db: Database, runs: readonly MemberRun[], from: number, to: { pack: number; dataset: string }): void {
  db.run("CREATE TEMP TABLE IF NOT EXISTS moved_runs (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, nearer INTEGER NOT NULL)");
  db.run("DELETE FROM temp.moved_runs");
  const insert = db.query("INSERT INTO temp.moved_runs SELECT value ->> 'first', value ->> 'last', value ->> 'nearer' FROM json_each(?)");
  for (let at = 0; at < runs.length; at += MOVED_AT_ONCE) insert.run(JSON.stringify(runs.slice(at, at + MOVED_AT_ONCE)));
  const ofRun = (column: string, offset: string): string =>
    `(SELECT ${column} FROM temp.moved_runs WHERE first <= ${offset} ORDER BY first DESC LIMIT 1)`;
  // by seqs, in the order of the rows: neighbours lie in one page
  db.query(
    `UPDATE blobs SET pack = ?1, dataset = ?2, offset = offset - ${ofRun("nearer", "blobs.offset")}
     WHERE seq IN (SELECT b.seq FROM blobs b WHERE b.pack = ?3 AND b.state IN ('live', 'condemned') AND b.offset <= ${ofRun("last", "b.offset")})`,
  ).run(to.pack, to.dataset, from);
}

/** Members whose bytes are wanted, in the order of the file. */
export function members(db: Database, pack: number): { seq: number; blake3: Uint8Array; size: number; offset: number }[] {
  return db
    .query<{ seq: number; blake3: Uint8Array; size: number; offset: number }, [number]>(
      "SELECT seq, blake3, size, offset FROM blobs WHERE pack = ? AND state = 'live' ORDER BY offset",
    )
    .all(pack);
}

/** The file is whole, and what it looks like now is known. */
export function restamp(db: Database, pack: number, stamp: FileStamp): void {
  db.query("UPDATE packs SET mtime_ns = ?, ctime_ns = ?, inode = ? WHERE seq = ?").run(stamp.mtime_ns, stamp.ctime_ns, stamp.inode, pack);
}

/** Members that should be readable, those among them that nobody wants any more: what a pack has to hold. */
export function readable(db: Database, pack: number): { seq: number; blake3: Uint8Array; size: number; offset: number }[] {
  return db
    .query<{ seq: number; blake3: Uint8Array; size: number; offset: number }, [number]>(
      "SELECT seq, blake3, size, offset FROM blobs WHERE pack = ? AND state IN ('live', 'condemned') ORDER BY offset",
    )
    .all(pack);
}
