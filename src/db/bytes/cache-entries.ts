import type { Database } from "bun:sqlite";

export interface CacheEntryRow {
  /** Under the cache. */
  path: string;
  blob: number;
  /** Bytes. */
  size: number;
  /** Tells whether anybody changed the copy; empty while it is being made. */
  stamp: string;
  created_at: number;
  /** The order of use: no two entries have the same, even when they were used in one millisecond or the clock was set back. */
  last_used: number;
  hits: number;
}

/** The present, or where that is no later than the last use, right after it. */
const NEXT_USE = "max(?1, (SELECT ifnull(max(last_used), 0) + 1 FROM cache_entries))";

export function get(db: Database, path: string): CacheEntryRow | null {
  return db.query<CacheEntryRow, [string]>("SELECT * FROM cache_entries WHERE path = ?").get(path);
}

/** Copies of a blob, or of the directory that it lists. */
export function ofBlob(db: Database, blob: number): CacheEntryRow[] {
  return db.query<CacheEntryRow, [number]>("SELECT * FROM cache_entries WHERE blob = ? AND stamp <> ''").all(blob);
}

/** A row before there is a file: whatever a crash leaves under the path has one. Keeps a row that is there. */
export function reserve(db: Database, entry: Pick<CacheEntryRow, "path" | "blob"> & { at: number }): void {
  db.query(
    `INSERT OR IGNORE INTO cache_entries (path, blob, size, stamp, created_at, last_used, hits) VALUES (?2, ?3, 0, '', ?1, ${NEXT_USE}, 0)`,
  ).run(entry.at, entry.path, entry.blob);
}

/** The copy lies there now. */
export function put(db: Database, entry: Pick<CacheEntryRow, "path" | "blob" | "size" | "stamp"> & { at: number }): void {
  db.query(
    `INSERT INTO cache_entries (path, blob, size, stamp, created_at, last_used, hits) VALUES (?2, ?3, ?4, ?5, ?1, ${NEXT_USE}, 0)
     ON CONFLICT (path) DO UPDATE SET blob = excluded.blob, size = excluded.size, stamp = excluded.stamp, created_at = excluded.created_at, last_used = excluded.last_used`,
  ).run(entry.at, entry.path, entry.blob, entry.size, entry.stamp);
}

/** Makes it the last that was used. */
export function touch(db: Database, path: string, at: number, hits: number): void {
  db.query(`UPDATE cache_entries SET last_used = ${NEXT_USE}, hits = hits + ?3 WHERE path = ?2`).run(at, path, hits);
}

export function remove(db: Database, path: string): void {
  db.query("DELETE FROM cache_entries WHERE path = ?").run(path);
}

/** The one that was used least recently comes first; with those that are being made. */
export function oldestFirst(db: Database): CacheEntryRow[] {
  return db.query<CacheEntryRow, []>("SELECT * FROM cache_entries ORDER BY last_used").all();
}

/** Whether any entry lies in a directory of the cache. */
export function isAnyIn(db: Database, directory: string): boolean {
  return db.query("SELECT 1 FROM cache_entries WHERE path > ? || '/' AND path < ? || '0' LIMIT 1").get(directory, directory) !== null;
}

/** How many copies there are by the index, their bytes, and how many more are being made, or were left half made. */
export function sums(db: Database): { entries: number; bytes: number; unfinished: number } {
  return db
    .query<{ entries: number; bytes: number; unfinished: number }, []>(
      "SELECT count(*) FILTER (WHERE stamp <> '') AS entries, ifnull(sum(size) FILTER (WHERE stamp <> ''), 0) AS bytes, count(*) FILTER (WHERE stamp = '') AS unfinished FROM cache_entries",
    )
    .get() as { entries: number; bytes: number; unfinished: number };
}
