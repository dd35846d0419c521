import type { Database } from "bun:sqlite";

/*
 * What verify and gc ask: is the database whole, and which bytes should be there.
 */

/** What SQLite finds wrong with the file, at most twenty lines; reads all of it. */
export function faults(db: Database): string[] {
  return db
    .query<{ integrity_check: string }, []>("PRAGMA integrity_check(20)")
    .all()
    .map((row) => row.integrity_check)
    .filter((line) => line !== "ok");
}

/** The first fault that a look without the indexes finds; undefined where there is none. */
export function quickFault(db: Database): string | undefined {
  const { quick_check: found } = db.query("PRAGMA quick_check(1)").get() as { quick_check: string };
  return found === "ok" ? undefined : found;
}

/** Rows that name a row that is not there, at most twenty. */
export function danglingRows(db: Database): { table: string; rowid: number }[] {
  return db.query<{ table: string; rowid: number }, []>("PRAGMA foreign_key_check").all().slice(0, 20);
}

export function databaseBytes(db: Database): number {
  return (db.query("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size").get() as { bytes: number }).bytes;
}

/** Blobs whose bytes the store has itself, in the order of the disk: a pack is read from front to back. */
export function ownBlobs(db: Database): number[] {
  const seqs = db
    .query("SELECT seq FROM blobs WHERE state IN ('live', 'condemned') AND place <> 'foreign' ORDER BY pack, offset, seq")
    .values();
  return (seqs as [number][]).map(([seq]) => seq);
}

/** Live blobs that list the files of a directory. */
export function liveTrees(db: Database): number[] {
  const seqs = db
    .query("SELECT seq FROM blobs WHERE state = 'live' AND seq IN (SELECT blob FROM artifacts WHERE kind = 'tree' AND blob IS NOT NULL)")
    .values();
  return (seqs as [number][]).map(([seq]) => seq);
}

/** Whether the store has a file of a directory, as a member of that directory. */
export function hasMember(db: Database, tree: number, blake3: Uint8Array): boolean {
  return (
    db
      .query("SELECT 1 FROM tree_members JOIN blobs ON blobs.seq = member WHERE tree = ? AND blake3 = ? AND state IN ('live', 'condemned')")
      .get(tree, blake3) !== null
  );
}

const OF_DATASET = "(?1 IS NULL OR dataset = ?1)";

/** How many files rows name below `binaries/`: of a dataset, or of all. */
export function countFiles(db: Database, dataset: string | null = null): number {
  const { files } = db
    .query<{ files: number }, [string | null]>(
      `SELECT (SELECT count(*) FROM blobs WHERE place = 'file' AND ${OF_DATASET}) + (SELECT count(*) FROM packs WHERE ${OF_DATASET}) AS files`,
    )
    .get(dataset) as { files: number };
  return files;
}

/** Blobs with a file of their own, and its path under the store's root. */
export function blobFiles(db: Database, dataset: string | null = null): Iterable<{ blob: number; path: string }> {
  return db
    .query<{ blob: number; path: string }, [string | null]>(
      `SELECT seq AS blob, path FROM blobs WHERE place = 'file' AND state <> 'trashed' AND ${OF_DATASET}`,
    )
    .iterate(dataset);
}

/** Packed blobs, and the paths of their packs. */
export function packedBlobs(db: Database, dataset: string | null = null): Iterable<{ blob: number; path: string }> {
  return db
    .query<{ blob: number; path: string }, [string | null]>(
      `SELECT b.seq AS blob, p.path FROM packs p JOIN blobs b ON b.pack = p.seq WHERE ?1 IS NULL OR p.dataset = ?1`,
    )
    .iterate(dataset);
}
