import type { Database } from "bun:sqlite";

export type LeaseKind = "run" | "ingest" | "read" | "sync" | "sweep";

export interface LeaseRow {
  seq: number;
  token: string;
  kind: LeaseKind;
  run: number | null;
  wrapper: string;
  child: string | null;
  taken_at: number;
  until: number | null;
}

export function insert(db: Database, lease: Omit<LeaseRow, "seq" | "child">): number {
  return Number(
    db
      .query("INSERT INTO leases (token, kind, run, wrapper, taken_at, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
      .run(lease.token, lease.kind, lease.run, lease.wrapper, lease.taken_at, lease.until).lastInsertRowid,
  );
}

export function setChild(db: Database, lease: number, child: string): void {
  db.query("UPDATE leases SET child = ?2 WHERE seq = ?1").run(lease, child);
}

/** Gives a dead holder's lease to another process. */
export function take(db: Database, lease: number, wrapper: string): void {
  db.query("UPDATE leases SET wrapper = ?2, child = NULL WHERE seq = ?1").run(lease, wrapper);
}

export function extend(db: Database, lease: number, until: number): void {
  db.query("UPDATE leases SET until = max(ifnull(until, 0), ?2) WHERE seq = ?1").run(lease, until);
}

/** Ends it, with the blobs and cache entries that it held. */
export function remove(db: Database, lease: number): void {
  db.query("DELETE FROM leases WHERE seq = ?").run(lease);
}

export function all(db: Database): LeaseRow[] {
  return db.query<LeaseRow, []>("SELECT * FROM leases ORDER BY seq").all();
}

export function isAny(db: Database): boolean {
  return db.query("SELECT 1 FROM leases LIMIT 1").get() !== null;
}

export function ofRun(db: Database, run: number, kind: LeaseKind = "run"): LeaseRow | null {
  return db.query<LeaseRow, [number, string]>("SELECT * FROM leases WHERE run = ? AND kind = ?").get(run, kind);
}

export function holdBlob(db: Database, lease: number, blob: number): void {
  db.query("INSERT OR IGNORE INTO lease_blobs (lease, blob) VALUES (?, ?)").run(lease, blob);
}

export function holdEntry(db: Database, lease: number, cachePath: string): void {
  db.query("INSERT OR IGNORE INTO lease_entries (lease, cache_path) VALUES (?, ?)").run(lease, cachePath);
}

/** Names the staging directory of a lease. */
export function token(db: Database, lease: number): string {
  return (db.query<{ token: string }, [number]>("SELECT token FROM leases WHERE seq = ?").get(lease) as { token: string }).token;
}

/** Whether a lease holds a cache entry, by its path under the cache. */
export function isEntryHeld(db: Database, cachePath: string): boolean {
  return db.query("SELECT 1 FROM lease_entries WHERE cache_path = ? LIMIT 1").get(cachePath) !== null;
}

/** Whether any lease holds a blob. */
export function holds(db: Database, blob: number): boolean {
  return db.query("SELECT 1 FROM lease_blobs WHERE blob = ?").get(blob) !== null;
}
