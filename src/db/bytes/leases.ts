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

/** Ends it, with the blobs and cache entries that it held. By its token too: a seq is given again, and another process may have ended this one since we saw it. */
export function remove(db: Database, lease: Pick<LeaseRow, "seq" | "token">): void {
  db.query("DELETE FROM leases WHERE seq = ? AND token = ?").run(lease.seq, lease.token);
}

export function all(db: Database): LeaseRow[] {
  return db.query<LeaseRow, []>("SELECT * FROM leases ORDER BY seq").all();
}

export function bySeq(db: Database, lease: number): LeaseRow | null {
  return db.query<LeaseRow, [number]>("SELECT * FROM leases WHERE seq = ?").get(lease);
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

/** The leases that hold a cache entry, by its path under the cache; those of dead processes among them. */
export function holdersOf(db: Database, cachePath: string): LeaseRow[] {
  // the leases are few, and each is asked by its key: the table of holds has no index by path
  return db
    .query<LeaseRow, [string]>(
      "SELECT * FROM leases WHERE EXISTS (SELECT 1 FROM lease_entries e WHERE e.lease = leases.seq AND e.cache_path = ?) ORDER BY seq",
    )
    .all(cachePath);
}

/** Nobody holds it any more, since it is gone. */
export function forgetEntry(db: Database, cachePath: string): void {
  db.query("DELETE FROM lease_entries WHERE cache_path = ?").run(cachePath);
}

export function releaseEntry(db: Database, lease: number, cachePath: string): void {
  db.query("DELETE FROM lease_entries WHERE lease = ? AND cache_path = ?").run(lease, cachePath);
}

/** A hold without a path: the holder was told that the limit of the cache takes what it holds. */
const TOLD = "";

/** True for the first call of each lease. */
export function tellOnce(db: Database, lease: number): boolean {
  return db.query("INSERT OR IGNORE INTO lease_entries (lease, cache_path) VALUES (?, ?)").run(lease, TOLD).changes > 0;
}

/** Those of some blobs that any lease holds. */
export function heldAmong(db: Database, blobs: readonly number[]): Set<number> {
  const held = db.query("SELECT blob FROM lease_blobs WHERE blob IN (SELECT value FROM json_each(?))").values(JSON.stringify(blobs));
  return new Set((held as [number][]).map(([blob]) => blob));
}

/** Whether any lease holds a blob. */
export function holds(db: Database, blob: number): boolean {
  return db.query("SELECT 1 FROM lease_blobs WHERE blob = ?").get(blob) !== null;
}
