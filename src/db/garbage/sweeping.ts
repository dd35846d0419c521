import type { Database } from "bun:sqlite";
import { revive } from "../bytes/blobs.ts";

/*
 * What the sweep asks and changes, one row at a time, inside its write transactions. A blob goes live → condemned → trashed → no row; until it is
 * trashed an ingest may revive it.
 */

/** For many rows in places all over the database: pages are kept longer, and moved into it less often. Until the connection ends. */
export function expectMuch(db: Database): void {
  db.run("PRAGMA cache_size = -32768"); // KiB
  db.run("PRAGMA wal_autocheckpoint = 8192"); // pages
}

export interface Suspect {
  seq: number;
  uid: string;
  id: string;
  name: string | null;
  version: number;
  run: number;
  state: "live" | "removed" | "withdrawn" | "deleted";
  state_at: number;
  blob: number | null;
  digest: string;
  size: number;
  /** Whether newer versions of its name still condemn it. */
  outdone: 0 | 1;
}

/**
 * How a condemned artifact stands now. `newer`: how many newer versions of its name there must be: one that is live, the others live or deleted
 * since `planned`, when they were counted.
 */
export function suspect(db: Database, seq: number, newer: number, planned: number): Suspect | null {
  return db
    .query<Suspect, [number, number, number]>(
      `SELECT a.seq, a.uid, a.id, a.name, a.version, a.run, a.state, a.state_at, a.blob, a.digest, a.size,
         ?2 = 0 OR a.name IS NULL OR (EXISTS (SELECT 1 FROM artifacts n WHERE n.name = a.name AND n.version > a.version AND n.state = 'live')
           AND (SELECT 1 FROM artifacts n WHERE n.name = a.name AND n.version > a.version AND (n.state = 'live' OR (n.state = 'deleted' AND n.state_at >= ?3))
                LIMIT 1 OFFSET ?2 - 1) IS NOT NULL) AS outdone
       FROM artifacts a WHERE a.seq = ?1`,
    )
    .get(seq, newer, planned);
}

/** From here on every lease protects what it holds: those of dead processes were freed before the sweep. */
export function respectAllLeases(db: Database): void {
  db.run("DELETE FROM temp.gc_leases");
  db.run("INSERT INTO temp.gc_leases SELECT seq FROM leases");
}

/** Artifacts that are no tombstones and were made from this one. */
export function dependents(db: Database, artifact: number): number[] {
  return db
    .query<{ seq: number }, [number]>(
      `SELECT d.seq FROM edges e JOIN artifacts d ON d.seq = e.artifact WHERE e.dependency = ?1 AND d.state <> 'deleted'
       UNION SELECT d.seq FROM meta_sources m JOIN artifacts d ON d.seq = m.artifact WHERE m.source = ?1 AND d.state <> 'deleted'`,
    )
    .all(artifact)
    .map((row) => row.seq);
}

const UNNAMED = `NOT EXISTS (SELECT 1 FROM artifacts WHERE blob = blobs.seq) AND NOT EXISTS (SELECT 1 FROM tree_members WHERE member = blobs.seq)
  AND NOT EXISTS (SELECT 1 FROM lease_blobs WHERE blob = blobs.seq)`;

/** Condemns a blob that nothing names any more. True where it is condemned or trashed now. */
export function condemn(db: Database, blob: number, at: number): boolean {
  db.query(`UPDATE blobs SET state = 'condemned', condemned_at = ? WHERE seq = ? AND state IN ('live', 'unverified') AND ${UNNAMED}`).run(
    at,
    blob,
  );
  return db.query("SELECT 1 FROM blobs WHERE seq = ? AND state IN ('condemned', 'trashed')").get(blob) !== null;
}

/** The second look: from here on nobody reads its bytes, and an ingest writes them anew. A condemned one that is named again is revived. */
export function trash(db: Database, blob: number): void {
  db.query(`UPDATE blobs SET state = 'trashed' WHERE seq = ? AND state = 'condemned' AND ${UNNAMED}`).run(blob);
  revive(db, blob);
}

/** Takes the row of a trashed blob away. Returns the members of the directory that it listed, which may be unnamed now. */
export function forgetBlob(db: Database, blob: number): number[] {
  const members = db.query<{ member: number }, [number]>("DELETE FROM tree_members WHERE tree = ? RETURNING member").all(blob);
  db.query("DELETE FROM blobs WHERE seq = ? AND state = 'trashed'").run(blob);
  return members.map((row) => row.member);
}

/** Takes the cache entries of some blobs out of the index, but for those that a reader holds. Returns their paths under the cache. */
export function forgetCacheEntries(db: Database, blobs: readonly number[]): { path: string; size: number }[] {
  return db
    .query<{ path: string; size: number }, [string]>(
      "DELETE FROM cache_entries WHERE blob IN (SELECT value FROM json_each(?)) AND path NOT IN (SELECT cache_path FROM lease_entries) RETURNING path, size",
    )
    .all(JSON.stringify(blobs));
}

/** Whether any row names a path below the store's root. */
export function isNamed(db: Database, path: string): boolean {
  return db.query("SELECT 1 FROM blobs WHERE path = ?1 UNION ALL SELECT 1 FROM packs WHERE path = ?1").get(path) !== null;
}

/** Takes the row of a pack away that has no member. Null where it has one, or is gone already. */
export function forgetPack(db: Database, pack: number): { path: string; size: number } | null {
  return db
    .query<{ path: string; size: number }, [number]>(
      "DELETE FROM packs WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM blobs WHERE pack = ?1) RETURNING path, size",
    )
    .get(pack);
}
