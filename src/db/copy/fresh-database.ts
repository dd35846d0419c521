import type { Database } from "bun:sqlite";
import { errno, reason } from "../../domain/error.ts";
import { openDatabase } from "../open/open.ts";

/**
 * A database that nobody else knows of yet, filled in one transaction: all of it is there after `finish`, or nothing. `path` may be `:memory:`.
 * Where links name rows by uid that may come later, they wait in tables of their own until `link`.
 */
export class FreshDatabase implements Disposable {
  readonly db: Database;
  readonly #mode: string;

  constructor(path: string) {
    this.db = openDatabase(path, { make: true, say: () => undefined });
    this.#mode = (this.db.query("PRAGMA journal_mode").get() as { journal_mode: string }).journal_mode;
    // what a crash leaves of it is thrown away
    for (const pragma of ["journal_mode = MEMORY", "synchronous = OFF", "cache_size = -65536", "temp_store = MEMORY"])
      this.db.run(`PRAGMA ${pragma}`);
    this.db.run("BEGIN IMMEDIATE");
    for (const table of WAITING) this.db.run(`CREATE TEMP TABLE ${table}`);
  }

  /** All of it or nothing; returns what keeps it from being done, where the database does not take it. */
  attempt(work: () => void): string | undefined {
    this.db.run("SAVEPOINT attempt");
    try {
      work();
      this.db.run("RELEASE attempt");
      return undefined;
    } catch (error) {
      if (!errno(error)?.startsWith("SQLITE_CONSTRAINT")) throw error;
      this.db.run("ROLLBACK TO attempt");
      this.db.run("RELEASE attempt");
      return reason(error);
    }
  }

  /** Edges, inputs, sources and parents get the rows that they name. Returns what names a row that is not there, in words. */
  link(): string[] {
    const lost = this.db.query(LOST).values() as [string][];
    for (const statement of LINKS) this.db.run(statement);
    return lost.map(([words]) => words);
  }

  /** Numbers that are never given twice go on where they were. */
  numberOn(lastJournalled: number): void {
    this.db.run(
      `INSERT INTO series (key, last_version) SELECT 'name ' || name, max(version) FROM artifacts WHERE name IS NOT NULL GROUP BY name
       UNION ALL SELECT 'id ' || id, max(version) FROM artifacts WHERE name IS NULL GROUP BY id`,
    );
    this.db.run("DELETE FROM sqlite_sequence WHERE name = 'journal'");
    this.db.query("INSERT INTO sqlite_sequence (name, seq) VALUES ('journal', ?)").run(lastJournalled);
  }

  totals(): { runs: number; artifacts: number } {
    return this.db
      .query<{ runs: number; artifacts: number }, []>(
        "SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM artifacts) AS artifacts",
      )
      .get() as { runs: number; artifacts: number };
  }

  /** Closes it as a database of the kind that its directory can have, without a log beside it; the caller flushes the file. */
  finish(): void {
    this.db.run("COMMIT");
    for (const table of WAITING) this.db.run(`DROP TABLE temp.${table.slice(0, table.indexOf(" "))}`);
    this.db.run(`PRAGMA journal_mode = ${this.#mode}`);
    this.db.close(false);
  }

  [Symbol.dispose](): void {
    this.db.close(false);
  }
}

const WAITING = [
  "lost_edges (artifact INTEGER, uid TEXT, role TEXT, position INTEGER, implicit INTEGER, changed INTEGER)",
  "lost_sources (artifact INTEGER, feature_index INTEGER, uid TEXT)",
  "lost_inputs (run INTEGER, position INTEGER, uid TEXT)",
  "lost_parents (run INTEGER, id TEXT)",
];

const LOST = `
  SELECT a.id || ' was made from artifact ' || l.uid || ', which no manifest has' FROM lost_edges l JOIN artifacts a ON a.seq = l.artifact
    WHERE l.uid NOT IN (SELECT uid FROM artifacts)
  UNION ALL SELECT a.id || ' has the source ' || l.uid || ', which no manifest has' FROM lost_sources l JOIN artifacts a ON a.seq = l.artifact
    WHERE l.uid NOT IN (SELECT uid FROM artifacts)
  UNION ALL SELECT 'run ' || r.id || ' read artifact ' || l.uid || ', which no manifest has' FROM lost_inputs l JOIN runs r ON r.seq = l.run
    WHERE l.uid NOT IN (SELECT uid FROM artifacts)
  UNION ALL SELECT 'run ' || r.id || ' lies in run ' || l.id || ', which has no manifest' FROM lost_parents l JOIN runs r ON r.seq = l.run
    WHERE l.id NOT IN (SELECT id FROM runs)`;

const LINKS = [
  `INSERT OR IGNORE INTO edges (artifact, dependency, role, position, implicit, changed)
     SELECT l.artifact, a.seq, l.role, l.position, l.implicit, l.changed FROM lost_edges l JOIN artifacts a ON a.uid = l.uid`,
  "INSERT OR IGNORE INTO meta_sources (artifact, feature_index, source) SELECT l.artifact, l.feature_index, a.seq FROM lost_sources l JOIN artifacts a ON a.uid = l.uid",
  "UPDATE run_inputs SET artifact = a.seq FROM lost_inputs l JOIN artifacts a ON a.uid = l.uid WHERE run_inputs.run = l.run AND run_inputs.position = l.position",
  "UPDATE runs SET parent = p.seq FROM lost_parents l JOIN runs p ON p.id = l.id WHERE runs.seq = l.run",
];

export type Column = string | number | bigint | null | Uint8Array;

/** Writes a row as it is. A `seq` that another row has by now gives way to the next free one. Returns the row's seq. */
export function insertRow(db: Database, table: string, row: Readonly<Record<string, Column>>): number {
  const seq = row["seq"];
  const isTaken = typeof seq === "number" && db.query(`SELECT 1 FROM ${table} WHERE seq = ?`).get(seq) !== null;
  const given = isTaken ? { ...row, seq: null } : row;
  const columns = Object.keys(given);
  const statement = db.query(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`);
  return Number(statement.run(...columns.map((column) => given[column] as Column)).lastInsertRowid);
}

/** The same for rows without a number of their own. */
export function insertAll(db: Database, table: string, rows: Iterable<Readonly<Record<string, Column>>>): void {
  for (const row of rows) {
    const columns = Object.keys(row);
    db.query(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`).run(
      ...columns.map((column) => row[column] as Column),
    );
  }
}

/** What has an odd name has a directory of another one; of what lies there, that of a dataset gets its name back. */
export function renameDataset(db: Database, directory: string, dataset: string): void {
  const own = `SELECT blob FROM artifacts WHERE dataset = ?2 AND blob IS NOT NULL`;
  db.query(
    `UPDATE blobs SET dataset = ?2 WHERE dataset = ?1 AND place <> 'foreign'
       AND seq IN (${own} UNION SELECT member FROM tree_members WHERE tree IN (${own}))`,
  ).run(directory, dataset);
  db.query("UPDATE packs SET dataset = ?2 WHERE dataset = ?1 AND EXISTS (SELECT 1 FROM blobs WHERE pack = packs.seq AND dataset = ?2)").run(
    directory,
    dataset,
  );
}

/** Names of datasets that runs and artifacts have. */
export function datasetNames(db: Database): string[] {
  const rows = db
    .query("SELECT dataset FROM runs WHERE dataset IS NOT NULL UNION SELECT dataset FROM artifacts WHERE dataset IS NOT NULL")
    .values();
  return (rows as [string][]).map(([name]) => name);
}

/** Bytes that nothing names: neither an artifact nor a directory's list. */
export function unnamedBlobs(db: Database): { digest: string; bytes: number; path: string }[] {
  return db
    .query<{ digest: string; bytes: number; path: string }, []>(
      `SELECT 'blake3:' || lower(hex(b.blake3)) AS digest, b.size AS bytes, ifnull(b.path, p.path) AS path FROM blobs b LEFT JOIN packs p ON p.seq = b.pack
       WHERE b.seq NOT IN (SELECT blob FROM artifacts WHERE blob IS NOT NULL) AND b.seq NOT IN (SELECT member FROM tree_members) ORDER BY path, b.offset`,
    )
    .all();
}

/** Lists of directories that artifacts have, each with an artifact's dataset; `isLost`: its bytes are missing or damaged. */
export function namedTrees(db: Database): { seq: number; dataset: string | null; id: string; isLost: number }[] {
  return db
    .query<{ seq: number; dataset: string | null; id: string; isLost: number }, []>(
      `SELECT b.seq, min(a.dataset) AS dataset, min(a.id) AS id, EXISTS (SELECT 1 FROM damage WHERE blob = b.seq) AS isLost
       FROM artifacts a JOIN blobs b ON b.seq = a.blob WHERE a.kind = 'tree' AND b.place <> 'foreign' GROUP BY b.seq ORDER BY b.pack, b.offset`,
    )
    .all();
}
