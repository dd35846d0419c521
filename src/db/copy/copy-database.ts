import { Database } from "bun:sqlite";
import { modeAt } from "../open/journal-mode.ts";
import type { FileStamp } from "../bytes/blobs.ts";

/** Writes the database as it is at one moment to a file that is not there yet. Others read and write meanwhile. */
export function copyInto(db: Database, path: string): void {
  db.query("VACUUM INTO ?").run(path);
}

/** Keeps a sweep from all bytes of the store, while the lease lives. */
export function holdAll(db: Database, lease: number): void {
  db.query("INSERT OR IGNORE INTO lease_blobs (lease, blob) SELECT ?, seq FROM blobs WHERE state <> 'trashed'").run(lease);
}

/** A copy that no other process knows of. After `finish` it is closed as a database in WAL mode, without a log beside it. */
export class DatabaseCopy implements Disposable {
  readonly #db: Database;

  constructor(path: string) {
    this.#db = new Database(path, { readwrite: true, strict: true });
    // what a crash leaves of it is thrown away
    for (const pragma of ["journal_mode = OFF", "synchronous = OFF", "foreign_keys = ON"]) this.#db.run(`PRAGMA ${pragma}`);
  }

  /** Blobs whose bytes nobody kept from a sweep, with their places: they came after the lease had taken hold of all. */
  unheld(lease: number): { seq: number; path: string | null; pack: number | null }[] {
    return this.#db
      .query<{ seq: number; path: string | null; pack: number | null }, [number]>(
        "SELECT seq, path, pack FROM blobs WHERE place <> 'foreign' AND state <> 'trashed' AND NOT EXISTS (SELECT 1 FROM lease_blobs WHERE lease = ? AND blob = blobs.seq)",
      )
      .all(lease);
  }

  /** Takes out what belongs to processes and to places beside the database. With bytes it is a store of its own: then it has no workspaces either. */
  trim(withBytes: boolean): void {
    this.#db.run("DELETE FROM lease_entries");
    this.#db.run("DELETE FROM leases WHERE kind <> 'run'");
    this.#db.run("DELETE FROM cache_entries");
    // two stores that go on with one upload would take it from each other
    this.#db.run("DELETE FROM uploads");
    if (!withBytes) return;
    this.#db.run("UPDATE runs SET workspace_state = 'removed' WHERE workspace_state IS NOT NULL AND state <> 'running'");
    this.#db.run("DELETE FROM packs WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE pack = packs.seq)");
  }

  /** The next blobs with files of their own. */
  files(after: number, limit: number): { seq: number; path: string }[] {
    return this.#db
      .query<{ seq: number; path: string }, [number, number]>(
        "SELECT seq, path FROM blobs WHERE place = 'file' AND state <> 'trashed' AND seq > ? ORDER BY seq LIMIT ?",
      )
      .all(after, limit);
  }

  /** The copy of a file or a pack that the copy of the row names. */
  restamp(of: "blob" | "pack", seq: number, { mtime_ns, ctime_ns, inode }: FileStamp): void {
    this.#db.query(`UPDATE ${of}s SET mtime_ns = ?, ctime_ns = ?, inode = ? WHERE seq = ?`).run(mtime_ns, ctime_ns, inode, seq);
  }

  packs(): { seq: number; path: string }[] {
    return this.#db.query<{ seq: number; path: string }, []>("SELECT seq, path FROM packs ORDER BY seq").all();
  }

  /** Blobs in a pack, in the order of the file. */
  members(pack: number): { blake3: Uint8Array; offset: number; size: number }[] {
    return this.#db
      .query<{ blake3: Uint8Array; offset: number; size: number }, [number]>(
        "SELECT blake3, offset, size FROM blobs WHERE pack = ? AND state <> 'trashed' ORDER BY offset",
      )
      .all(pack);
  }

  /** The next runs that a manifest was written of. */
  runsWithManifest(after: number, limit: number): { seq: number; id: string }[] {
    return this.#db
      .query<{ seq: number; id: string }, [number, number]>(
        "SELECT seq, id FROM runs WHERE manifest IS NOT NULL AND state <> 'running' AND seq > ? ORDER BY seq LIMIT ?",
      )
      .all(after, limit);
  }

  /** The last line of the journal that the file has, and the table no longer. */
  lastJournalled(): number {
    return (
      this.#db
        .query(
          "SELECT ifnull((SELECT min(seq) - 1 FROM journal), ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0)) AS last",
        )
        .get() as { last: number }
    ).last;
  }

  totals(): { runs: number; artifacts: number; foreign: { files: number; bytes: number } } {
    const { runs, artifacts, files, bytes } = this.#db
      .query(
        `SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM artifacts) AS artifacts, count(*) AS files, total(size) AS bytes
         FROM blobs WHERE place = 'foreign'`,
      )
      .get() as { runs: number; artifacts: number; files: number; bytes: number };
    return { runs, artifacts, foreign: { files, bytes } };
  }

  /** The last step: from here on it is kept as its own file system can. */
  finish(): void {
    this.#db.run(`PRAGMA journal_mode = ${modeAt(this.#db.filename, "auto") === "wal" ? "WAL" : "DELETE"}`);
  }

  [Symbol.dispose](): void {
    this.#db.close(false);
  }
}
