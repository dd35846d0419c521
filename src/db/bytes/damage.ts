import type { Database } from "bun:sqlite";

/*
 * Blobs whose bytes somebody found to be lost or changed: they are hashed before they are used again, kept out of what counts as stored, and what may be
 * another copy of them stays.
 */

export interface DamageRow {
  blob: number;
  /** missing, changed, short, unreadable, or incomplete tree. */
  what: string;
  detail: string;
  /** When it was found first. */
  found_at: number;
}

export function record(db: Database, { blob, what, detail, found_at }: DamageRow): void {
  db.query(
    `INSERT INTO damage (blob, what, detail, found_at) SELECT seq, ?2, ?3, ?4 FROM blobs WHERE seq = ?1
     ON CONFLICT (blob) DO UPDATE SET what = excluded.what, detail = excluded.detail`,
  ).run(blob, what, detail, found_at);
}

/** Its bytes are whole again. */
export function forget(db: Database, blob: number): void {
  db.query("DELETE FROM damage WHERE blob = ?").run(blob);
}

export function isRecorded(db: Database, blob: number): boolean {
  return db.query("SELECT 1 FROM damage WHERE blob = ?").get(blob) !== null;
}

/** The first that is known of; null where all is well. */
export function first(db: Database): { digest: string; what: string } | null {
  return db
    .query<{ digest: string; what: string }, []>(
      "SELECT ifnull('blake3:' || lower(hex(b.blake3)), 'sha256:' || lower(hex(b.sha256))) AS digest, d.what FROM damage d JOIN blobs b ON b.seq = d.blob LIMIT 1",
    )
    .get();
}

/** seqs of damaged blobs. */
export function all(db: Database): Set<number> {
  return new Set((db.query("SELECT blob FROM damage").values() as [number][]).map(([blob]) => blob));
}

/** The same, with the directories that have them. */
export function allWithDirectories(db: Database): Set<number> {
  return new Set((db.query("SELECT blob FROM hurt_blobs").values() as [number][]).map(([blob]) => blob));
}

/** seqs of runs that have an artifact whose bytes are damaged, or those of a file in it. */
export function runs(db: Database): Set<number> {
  const seqs = db.query("SELECT DISTINCT a.run FROM hurt_blobs h CROSS JOIN artifacts a ON a.blob = h.blob").values();
  return new Set((seqs as [number][]).map(([run]) => run));
}

/** What is damaged of a blob, and, where it is a directory's list, of what lies in that. */
export function of(db: Database, blob: number): { digest: string; what: string; detail: string }[] {
  return db
    .query<{ digest: string; what: string; detail: string }, [number]>(
      `SELECT ifnull('blake3:' || lower(hex(b.blake3)), 'sha256:' || lower(hex(b.sha256))) AS digest, d.what, d.detail
       FROM hurt_blobs h JOIN damage d ON d.blob = h.part JOIN blobs b ON b.seq = d.blob WHERE h.blob = ? ORDER BY d.blob`,
    )
    .all(blob);
}

/** An artifact that has a blob: as its bytes, as its list, or as a file in its directory. */
export interface BlobUse {
  artifact: number;
  id: string;
  name: string | null;
  version: number;
  state: string;
  kind: "file" | "tree";
  type: string;
  class: string | null;
  /** Within its run. */
  path: string;
  run: string;
  workspace: string | null;
  /** The list of the directory that has it; null where it is the artifact's own bytes or list. */
  tree: number | null;
}

const USE = "a.seq AS artifact, a.id, a.name, a.version, a.state, a.kind, a.type, a.class, a.path, r.id AS run, r.workspace";

/** The artifacts that have a blob, those in sight first, newest first. */
export function usesOf(db: Database, blob: number): BlobUse[] {
  return db
    .query<BlobUse, [number]>(
      `SELECT * FROM (SELECT ${USE}, NULL AS tree FROM artifacts a JOIN runs r ON r.seq = a.run WHERE a.blob = ?1
       UNION ALL SELECT ${USE}, m.tree FROM tree_members m JOIN artifacts a ON a.blob = m.tree JOIN runs r ON r.seq = a.run WHERE m.member = ?1)
       ORDER BY state <> 'live', artifact DESC`,
    )
    .all(blob);
}

/** Files that a directory has: digests. */
export function membersOf(db: Database, tree: number): Set<string> {
  const rows = db
    .query("SELECT lower(hex(b.blake3)) FROM tree_members m JOIN blobs b ON b.seq = m.member WHERE m.tree = ? AND b.blake3 IS NOT NULL")
    .values(tree) as [string][];
  return new Set(rows.map(([hex]) => hex));
}
