import type { Database } from "bun:sqlite";

/*
 * What verify, gc, stats and a look for changed databases ask of a database as a whole: whether it is sound, how large it is, and which bytes and artifacts it has.
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

/** Whether all that was found is what SQLite can make anew from the rows: an index. */
export function isOnlyIndexes(found: readonly string[]): boolean {
  return found.every((line) => /^(row \d+ missing from index |wrong # of entries in index |non-unique entry in index )/.test(line));
}

/** Makes all indexes anew. */
export function reindex(db: Database): void {
  db.run("REINDEX");
}

/** Artifacts that say something else of their bytes than these say of themselves, at most twenty: a page was changed, and is a well-formed page still. */
export function contradictions(db: Database): { id: string; digest: string }[] {
  return db
    .query<{ id: string; digest: string }, []>(
      `SELECT a.id, a.digest FROM artifacts a JOIN blobs b ON b.seq = a.blob
       WHERE (a.digest IS NOT 'blake3:' || lower(hex(b.blake3)) AND a.digest IS NOT 'sha256:' || lower(hex(b.sha256))) OR (a.kind = 'file' AND a.size <> b.size) LIMIT 20`,
    )
    .all();
}

/** Names whose last number is lower than that of a version of theirs, or unknown, at most twenty: it would be given twice. */
export function lostNumbers(db: Database): string[] {
  const names = db
    .query(
      `SELECT a.name FROM (SELECT name, max(version) AS last FROM artifacts WHERE name IS NOT NULL GROUP BY name) a
       LEFT JOIN series s ON s.key = 'name ' || a.name WHERE s.last_version IS NULL OR s.last_version < a.last LIMIT 20`,
    )
    .values();
  return (names as [string][]).map(([name]) => name);
}

/** How far a look at all blobs has come: the place of the last one in the order of the disk. */
export interface Reached {
  pack: number;
  offset: number;
  seq: number;
}

/** Blobs whose bytes the store has itself, in the order of the disk: a pack is read from front to back. `after`: only those behind that one. */
export function ownBlobs(db: Database, after: Reached = { pack: 0, offset: 0, seq: 0 }): number[] {
  const seqs = db
    .query(
      `SELECT seq FROM blobs WHERE state IN ('live', 'condemned') AND place <> 'foreign' AND (ifnull(pack, 0), ifnull(offset, 0), seq) > (?, ?, ?)
       ORDER BY pack, offset, seq`,
    )
    .values(after.pack, after.offset, after.seq);
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

/** How many files rows name below `binaries/`. */
export function countFiles(db: Database): number {
  const { files } = db.query("SELECT (SELECT count(*) FROM blobs WHERE place = 'file') + (SELECT count(*) FROM packs) AS files").get() as {
    files: number;
  };
  return files;
}

/** Blobs with a file of their own, and its path under the store's root: of a dataset, or of all. */
export function blobFiles(db: Database, dataset: string | null): Iterable<{ blob: number; path: string }> {
  return of(db, "SELECT seq AS blob, path FROM blobs WHERE place = 'file' AND state <> 'trashed'", "dataset", dataset);
}

/** Packed blobs, and the paths of their packs. */
export function packedBlobs(db: Database, dataset: string | null): Iterable<{ blob: number; path: string }> {
  return of(db, "SELECT b.seq AS blob, p.path FROM packs p JOIN blobs b ON b.pack = p.seq WHERE 1", "p.dataset", dataset);
}

function of(db: Database, select: string, column: string, dataset: string | null): Iterable<{ blob: number; path: string }> {
  const given = dataset === null ? [] : [dataset];
  return db.query<{ blob: number; path: string }, string[]>(dataset === null ? select : `${select} AND ${column} = ?`).iterate(...given);
}

/** Where imports left bytes, if that may be below the `binaries/` of this store; absolute. */
export function foreignBelowBinaries(db: Database): Iterable<{ path: string }> {
  return db.query<{ path: string }, []>("SELECT path FROM blobs WHERE place = 'foreign' AND path LIKE '%/binaries/%'").iterate();
}

/** Whether any of these uids is that of no artifact, nor of a tombstone. */
export function lacksArtifact(db: Database, uids: readonly string[]): boolean {
  return db.query("SELECT 1 FROM json_each(?) WHERE value NOT IN (SELECT uid FROM artifacts) LIMIT 1").get(JSON.stringify(uids)) !== null;
}
