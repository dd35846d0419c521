import type { Database } from "bun:sqlite";
import type { FileStamp } from "./blobs.ts";

/*
 * Blobs whose bytes an import left where they lay: unverified until somebody read them. Afterwards their bytes still lie there (place 'foreign'),
 * or the record moves over to a blob of the store's own that has the same bytes.
 */

export interface NewForeignBlob {
  /** At least one of the two. */
  blake3: Uint8Array | null;
  sha256: Uint8Array | null;
  size: number;
  dataset: string;
  /** Where the bytes lie; absolute, so that it means the same in a copy of the store. */
  path: string;
  created_at: number;
}

export function insert(db: Database, blob: NewForeignBlob): number {
  return Number(
    db
      .query(
        "INSERT INTO blobs (blake3, sha256, size, state, dataset, place, path, created_at) VALUES (?, ?, ?, 'unverified', ?, 'foreign', ?, ?)",
      )
      .run(blob.blake3, blob.sha256, blob.size, blob.dataset, blob.path, blob.created_at).lastInsertRowid,
  );
}

/** Its bytes are looked for at another place from now on, where nobody has read them yet. */
export function move(db: Database, seq: number, to: { path: string; size: number; dataset: string }): void {
  db.query(
    `UPDATE blobs SET state = 'unverified', condemned_at = NULL, place = 'foreign', pack = NULL, offset = NULL, mtime_ns = NULL, ctime_ns = NULL, inode = NULL,
       path = ?, size = ?, dataset = ? WHERE seq = ?`,
  ).run(to.path, to.size, to.dataset, seq);
  db.query("UPDATE artifacts SET size = ? WHERE blob = ? AND kind = 'file'").run(to.size, seq);
}

/** The blob that has its bytes at this place. */
export function atPath(db: Database, path: string): { seq: number; digest: string } | null {
  return db
    .query<{ seq: number; digest: string }, [string]>(
      "SELECT seq, ifnull('sha256:' || lower(hex(sha256)), 'blake3:' || lower(hex(blake3))) AS digest FROM blobs WHERE path = ?",
    )
    .get(path);
}

/** The sizes of blobs that nobody has read yet, and whose BLAKE3 nobody knows. */
export function unreadSizes(db: Database): Set<number> {
  const rows = db.query("SELECT DISTINCT size FROM blobs WHERE state = 'unverified' AND blake3 IS NULL").values() as [number][];
  return new Set(rows.map(([size]) => size));
}

/** A blob that is known by its SHA-256 alone. */
export function unread(db: Database, sha256: Uint8Array): { seq: number; state: "unverified" } | null {
  return db
    .query<{ seq: number; state: "unverified" }, [Uint8Array]>(
      "SELECT seq, state FROM blobs WHERE sha256 = ? AND blake3 IS NULL AND state = 'unverified'",
    )
    .get(sha256);
}

/** Blobs whose bytes lie elsewhere, those that nobody has read among them. */
export function all(db: Database): number[] {
  const rows = db
    .query("SELECT seq FROM blobs WHERE place = 'foreign' AND state IN ('live', 'unverified', 'condemned') ORDER BY path")
    .values();
  return (rows as [number][]).map(([seq]) => seq);
}

/** Its bytes were read, and are what the digest says. */
export function settle(db: Database, seq: number, known: FileStamp & { blake3: Uint8Array; sha256: Uint8Array; size: number }): void {
  db.query(
    "UPDATE blobs SET state = iif(state = 'unverified', 'live', state), blake3 = ?, sha256 = ?, size = ?, mtime_ns = ?, ctime_ns = ?, inode = ? WHERE seq = ?",
  ).run(known.blake3, known.sha256, known.size, known.mtime_ns, known.ctime_ns, known.inode, seq);
  rename(db, seq, seq, known);
}

/** All that named one blob names another one with the same bytes; the first one's row goes. Bytes elsewhere stay where they lie. */
export function merge(db: Database, from: number, to: number, known: { blake3: Uint8Array; sha256: Uint8Array; size: number }): void {
  rename(db, from, to, known);
  for (const [table, column, other] of [
    ["lease_blobs", "blob", "lease"],
    ["tree_members", "member", "tree"],
    ["tree_members", "tree", "member"],
  ]) {
    db.query(`INSERT OR IGNORE INTO ${table} (${other}, ${column}) SELECT ${other}, ? FROM ${table} WHERE ${column} = ?`).run(to, from);
    db.query(`DELETE FROM ${table} WHERE ${column} = ?`).run(from);
  }
  db.query("UPDATE cache_entries SET blob = ? WHERE blob = ?").run(to, from);
  db.query("DELETE FROM blobs WHERE seq = ?").run(from);
  learnSha256(db, to, known.sha256);
}

/** Where the same digest is another row's already, nothing changes. */
export function learnSha256(db: Database, seq: number, sha256: Uint8Array): void {
  db.query("UPDATE OR IGNORE blobs SET sha256 = ? WHERE seq = ? AND sha256 IS NULL").run(sha256, seq);
}

/** Its bytes came in by another way, and are the same. */
export function learnBlake3(db: Database, seq: number, known: { blake3: Uint8Array; size: number }): void {
  db.query("UPDATE blobs SET blake3 = ?, size = ? WHERE seq = ?").run(known.blake3, known.size, seq);
  rename(db, seq, seq, known);
}

/** Manifests of runs that name it say what is no longer so. */
function rename(db: Database, from: number, to: number, known: { blake3: Uint8Array; size: number }): void {
  db.query("UPDATE runs SET manifest = 'due' WHERE manifest = 'written' AND seq IN (SELECT run FROM artifacts WHERE blob = ?)").run(from);
  db.query("UPDATE artifacts SET blob = ?, digest = ?, size = iif(kind = 'file', ?, size) WHERE blob = ?").run(
    to,
    `blake3:${Buffer.from(known.blake3).toString("hex")}`,
    known.size,
    from,
  );
}
