import type { Database } from "bun:sqlite";
import type { LeaseRow } from "../bytes/leases.ts";

// What `gc why` asks of one artifact or blob.

/** How many live versions of its name are newer; null: it has no name. And the time that rules count from. */
export function factsOf(db: Database, artifact: number): { newer: number | null; since: number } {
  return db
    .query<{ newer: number | null; since: number }, [number]>(
      `SELECT iif(a.name IS NULL, NULL, (SELECT count(*) FROM artifacts n WHERE n.name = a.name AND n.version > a.version AND n.state = 'live')) AS newer,
         CASE a.state WHEN 'removed' THEN a.state_at WHEN 'withdrawn' THEN ifnull(r.ended_at, a.state_at) ELSE a.created_at END AS since
       FROM artifacts a JOIN runs r ON r.seq = a.run WHERE a.seq = ?`,
    )
    .get(artifact) as { newer: number | null; since: number };
}

/** The leases that hold a blob. */
export function leasesOn(db: Database, blob: number): LeaseRow[] {
  return db
    .query<LeaseRow, [number]>("SELECT l.* FROM lease_blobs h JOIN leases l ON l.seq = h.lease WHERE h.blob = ? ORDER BY l.seq")
    .all(blob);
}

/** Artifacts, no tombstones, that have a blob, or a directory with it inside; the oldest first. */
export function usersOf(db: Database, blob: number, most: number): number[] {
  return (
    db
      .query(
        `SELECT seq FROM artifacts WHERE blob = ?1 UNION SELECT a.seq FROM tree_members t JOIN artifacts a ON a.blob = t.tree WHERE t.member = ?1 ORDER BY 1 LIMIT ?2`,
      )
      .values(blob, most) as [number][]
  ).map(([seq]) => seq);
}

/** Tombstones of a content, by the beginning of its digest. */
export function tombstonesOf(db: Database, digest: string, most: number): number[] {
  return (
    db
      .query("SELECT seq FROM artifacts WHERE state = 'deleted' AND digest >= ?1 AND digest < ?1 || 'g' ORDER BY seq DESC LIMIT ?2")
      .values(digest, most) as [number][]
  ).map(([seq]) => seq);
}

/** The blob that has a file of its own at a path under the store's root. */
export function blobAtPath(db: Database, path: string): number | undefined {
  return db.query<{ seq: number }, [string]>("SELECT seq FROM blobs WHERE path = ?").get(path)?.seq;
}
