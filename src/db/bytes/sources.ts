import type { Database } from "bun:sqlite";

/** More than these are not kept: bytes of all rows (a file takes about 45), and rows. */
const MOST_BYTES = 64 << 20;
const MOST_ROWS = 1000;

/** What a file or directory outside of the store looked like when it was read last, in the same boot of the machine; null where nobody knows. */
export function seen(db: Database, path: string, boot: string): Uint8Array | null {
  return (
    db.query<{ seen: Uint8Array }, [string, string]>("SELECT seen FROM sources WHERE path = ? AND boot = ?").get(path, boot)?.seen ?? null
  );
}

/** Replaces what was known of it. */
export function keep(db: Database, path: string, { boot, bytes }: { boot: string; bytes: Uint8Array }, at: number): void {
  db.query("INSERT OR REPLACE INTO sources (path, boot, seen, bytes, used_at) VALUES (?, ?, ?, ?, ?)").run(
    path,
    boot,
    bytes,
    bytes.length,
    at,
  );
}

/** What was used longest ago goes, until the rest is within bounds. */
export function makeRoom(db: Database): void {
  db.query(
    `DELETE FROM sources WHERE path IN (SELECT path FROM (SELECT path, row_number() OVER latest AS nth, sum(bytes) OVER latest AS upto FROM sources
       WINDOW latest AS (ORDER BY used_at DESC, rowid DESC ROWS UNBOUNDED PRECEDING)) WHERE nth > ? OR upto > ?)`,
  ).run(MOST_ROWS, MOST_BYTES);
}

/** It was found to be as it was. */
export function touch(db: Database, path: string, at: number): void {
  db.query("UPDATE sources SET used_at = ? WHERE path = ?").run(at, path);
}
