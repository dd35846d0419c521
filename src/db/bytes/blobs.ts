import type { Database } from "bun:sqlite";
import type { Algorithm, Digest } from "../../domain/digest.ts";
import { forget } from "./damage.ts";

export type BlobState = "live" | "unverified" | "condemned" | "trashed";

export interface BlobRow {
  seq: number;
  blake3: Uint8Array | null;
  sha256: Uint8Array | null;
  size: number;
  state: BlobState;
  condemned_at: number | null;
  dataset: string;
  place: "file" | "pack" | "foreign";
  path: string | null;
  pack: number | null;
  offset: number | null;
  /** Nanoseconds; null for a packed one. */
  mtime_ns: bigint | null;
  ctime_ns: bigint | null;
  inode: bigint | null;
  created_at: number;
}

/** What tells whether a file was touched since its bytes were hashed. */
export interface FileStamp {
  mtime_ns: bigint;
  ctime_ns: bigint;
  inode: bigint;
}

/** SQLite integers that do not fit a double come as bigint from these statements; the others are turned back. */
function plain(row: Record<string, unknown> | null): BlobRow | null {
  if (row === null) return null;
  for (const key of ["seq", "size", "condemned_at", "pack", "offset", "created_at"])
    if (typeof row[key] === "bigint") row[key] = Number(row[key]);
  return row as unknown as BlobRow;
}

export function bySeq(db: Database, seq: number): BlobRow | null {
  return plain(db.query<Record<string, unknown>, [number]>("SELECT * FROM blobs WHERE seq = ?").safeIntegers(true).get(seq));
}

export function byDigest(db: Database, digest: Digest): BlobRow | null {
  const column: Algorithm = digest.algorithm;
  return plain(
    db
      .query<Record<string, unknown>, [Uint8Array]>(`SELECT * FROM blobs WHERE ${column} = ?`)
      .safeIntegers(true)
      .get(Buffer.from(digest.hex, "hex")),
  );
}

/** Only what an ingest asks of each of its many files. */
export function known(db: Database, blake3: Uint8Array): KnownBlob | null {
  return db.query<KnownBlob, [Uint8Array]>("SELECT seq, state, size, place, path, pack, offset FROM blobs WHERE blake3 = ?").get(blake3);
}

type KnownBlob = Pick<BlobRow, "seq" | "state" | "size" | "place" | "path" | "pack" | "offset">;

/** A store without a blob has nothing to look up. */
export function isEmpty(db: Database): boolean {
  return db.query("SELECT 1 FROM blobs LIMIT 1").get() === null;
}

/** Paths of files and of packs that live blobs are in, the latest of each, at most so many of each; relative to the store's root. */
export function latestFiles(db: Database, limit: number): string[] {
  const paths = db
    .query(
      `SELECT path FROM (SELECT path FROM blobs WHERE place = 'file' AND state = 'live' ORDER BY seq DESC LIMIT ?1)
       UNION ALL SELECT path FROM (SELECT path FROM packs p WHERE EXISTS (SELECT 1 FROM blobs WHERE pack = p.seq AND state = 'live') ORDER BY seq DESC LIMIT ?1)`,
    )
    .values(limit);
  return (paths as [string][]).map(([path]) => path);
}

/** Whether a blob with a file of its own has this size. */
export function hasFileOfSize(db: Database, size: bigint): boolean {
  return db.query("SELECT 1 FROM blobs WHERE size = ? AND place <> 'pack' LIMIT 1").get(size) !== null;
}

/** The sizes that stored blobs have, and how many have it. */
export function sizes(db: Database): Map<number, number> {
  const rows = db
    .query<{ size: number; n: number }, []>("SELECT size, count(*) AS n FROM blobs WHERE place <> 'foreign' GROUP BY size")
    .all();
  return new Map(rows.map(({ size, n }) => [size, n]));
}

/** Blobs whose digest begins with these hex digits. */
export function byDigestPrefix(db: Database, prefix: Digest): number[] {
  const low = Buffer.from(prefix.hex.padEnd(64, "0"), "hex");
  const high = Buffer.from(prefix.hex.padEnd(64, "f"), "hex");
  const column: Algorithm = prefix.algorithm;
  return db
    .query<{ seq: number }, [Uint8Array, Uint8Array]>(`SELECT seq FROM blobs WHERE ${column} BETWEEN ? AND ? LIMIT 1000`)
    .all(low, high)
    .map((row) => row.seq);
}

export interface NewFileBlob extends FileStamp {
  blake3: Uint8Array;
  size: number;
  dataset: string;
  path: string;
  created_at: number;
}

export function insertFile(db: Database, blob: NewFileBlob): number {
  return Number(
    db
      .query(
        "INSERT INTO blobs (blake3, size, state, dataset, place, path, mtime_ns, ctime_ns, inode, created_at) VALUES (?, ?, 'live', ?, 'file', ?, ?, ?, ?, ?)",
      )
      .run(blob.blake3, blob.size, blob.dataset, blob.path, blob.mtime_ns, blob.ctime_ns, blob.inode, blob.created_at).lastInsertRowid,
  );
}

/** Rows of packed blobs that go in together. */
export const PACKED_AT_ONCE = 250;

/** Inserts members of one pack; returns their seqs in order. Rows go in together, since a call for each of 20,000 costs more than the row. */
export function insertPacked(
  db: Database,
  members: readonly { blake3: Uint8Array; size: number; offset: number }[],
  common: { dataset: string; pack: number; created_at: number },
): number[] {
  const seqs: number[] = [];
  for (let from = 0; from < members.length; from += PACKED_AT_ONCE) {
    const rows = members.slice(from, from + PACKED_AT_ONCE);
    const values = rows.map((_, nth) => `(?${nth * 3 + 4}, ?${nth * 3 + 5}, 'live', ?1, 'pack', ?2, ?${nth * 3 + 6}, ?3)`).join(", ");
    const given: (string | number | Uint8Array)[] = [common.dataset, common.pack, common.created_at];
    for (const { blake3, size, offset } of rows) given.push(blake3, size, offset);
    const last = Number(
      db
        .query<never, (string | number | Uint8Array)[]>(
          `INSERT INTO blobs (blake3, size, state, dataset, place, pack, offset, created_at) VALUES ${values}`,
        )
        .run(...given).lastInsertRowid,
    );
    // the write lock is ours, so the numbers follow one another
    for (let nth = rows.length - 1; nth >= 0; nth--) seqs.push(last - nth);
  }
  return seqs;
}

/** Puts a known blob's bytes at a new place: they had been condemned or trashed, or they move. It is live. */
export function replaceWithFile(db: Database, seq: number, file: FileStamp & { path: string; dataset: string }): void {
  db.query(
    "UPDATE blobs SET state = 'live', condemned_at = NULL, place = 'file', pack = NULL, offset = NULL, path = ?, dataset = ?, mtime_ns = ?, ctime_ns = ?, inode = ? WHERE seq = ?",
  ).run(file.path, file.dataset, file.mtime_ns, file.ctime_ns, file.inode, seq);
  forget(db, seq);
}

export function replaceWithPacked(db: Database, seq: number, at: { pack: number; offset: number; dataset: string }): void {
  db.query(
    "UPDATE blobs SET state = 'live', condemned_at = NULL, place = 'pack', path = NULL, mtime_ns = NULL, ctime_ns = NULL, inode = NULL, pack = ?, offset = ?, dataset = ? WHERE seq = ?",
  ).run(at.pack, at.offset, at.dataset, seq);
  forget(db, seq);
}

/** The file was hashed again, or its time stamps were changed by us. */
export function restamp(db: Database, seq: number, stamp: FileStamp): void {
  db.query("UPDATE blobs SET mtime_ns = ?, ctime_ns = ?, inode = ? WHERE seq = ?").run(stamp.mtime_ns, stamp.ctime_ns, stamp.inode, seq);
}

/** A condemned blob that is wanted again: what was never read still is not. False where it is past that. */
export function revive(db: Database, seq: number): boolean {
  return (
    db
      .query(
        "UPDATE blobs SET state = iif(place = 'foreign' AND mtime_ns IS NULL, 'unverified', 'live'), condemned_at = NULL WHERE seq = ? AND state = 'condemned'",
      )
      .run(seq).changes > 0
  );
}

const MEMBERS_AT_ONCE = 5000;

export function insertMembers(db: Database, tree: number, members: readonly number[] | Float64Array): void {
  // many in one statement: 20,000 calls would cost more than their rows
  const insert = db.query("INSERT OR IGNORE INTO tree_members (tree, member) SELECT ?, value FROM json_each(?)");
  for (let from = 0; from < members.length; from += MEMBERS_AT_ONCE)
    insert.run(tree, `[${members.slice(from, from + MEMBERS_AT_ONCE).join()}]`);
}

/** Blobs with a file of their own that a run's artifacts name, directly or inside a directory. */
export function filesOfRun(db: Database, run: number): { seq: number; path: string; inode: bigint }[] {
  return db
    .query<{ seq: bigint; path: string; inode: bigint }, [number]>(
      `WITH named (blob) AS (SELECT blob FROM artifacts WHERE run = ?1 AND blob IS NOT NULL)
       SELECT seq, path, inode FROM blobs WHERE place = 'file' AND (seq IN named OR seq IN (SELECT member FROM tree_members WHERE tree IN named))`,
    )
    .safeIntegers(true)
    .all(run)
    .map((row) => ({ ...row, seq: Number(row.seq) }));
}

/** Notes a use of some blobs, for the least-recently-used rules. */
export function touch(db: Database, blobs: Iterable<number>, at: number): void {
  const statement = db.query(
    "INSERT INTO blob_uses (blob, last_used, hits) VALUES (?, ?, 1) ON CONFLICT (blob) DO UPDATE SET last_used = max(last_used, excluded.last_used), hits = hits + 1",
  );
  for (const blob of blobs) statement.run(blob, at);
}
