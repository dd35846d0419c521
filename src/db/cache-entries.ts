import type { Database } from "bun:sqlite";

export interface CacheEntryRow {
  path: string;
  blob: number;
  size: number;
  /** Tells whether anybody changed the copy. */
  stamp: string;
  created_at: number;
  last_used: number;
  hits: number;
}

export function get(db: Database, path: string): CacheEntryRow | null {
  return db.query<CacheEntryRow, [string]>("SELECT * FROM cache_entries WHERE path = ?").get(path);
}

export function put(db: Database, entry: Pick<CacheEntryRow, "path" | "blob" | "size" | "stamp"> & { at: number }): void {
  db.query(
    `INSERT INTO cache_entries (path, blob, size, stamp, created_at, last_used, hits) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 0)
     ON CONFLICT (path) DO UPDATE SET blob = ?2, size = ?3, stamp = ?4, created_at = ?5, last_used = ?5`,
  ).run(entry.path, entry.blob, entry.size, entry.stamp, entry.at);
}

export function touch(db: Database, path: string, at: number): void {
  db.query("UPDATE cache_entries SET last_used = max(last_used, ?), hits = hits + 1 WHERE path = ?").run(at, path);
}

export function remove(db: Database, path: string): void {
  db.query("DELETE FROM cache_entries WHERE path = ?").run(path);
}

/** The one that was used least recently comes first. */
export function oldestFirst(db: Database): CacheEntryRow[] {
  return db.query<CacheEntryRow, []>("SELECT * FROM cache_entries ORDER BY last_used, created_at").all();
}
