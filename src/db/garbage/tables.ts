import type { Database } from "bun:sqlite";
import { collectAfter } from "./columns.ts";

/*
 * What gc asks of the database as a whole. Rows are read once, into columns by their seqs, and judged there: a query for each of a million artifacts would take longer than
 * anybody waits, and a million of them do not fit into memory as objects. What goes then stands in sets (temporary tables of this connection), as far as somebody reads
 * it there: the first of each rule, or all. SQLite's planner knows nothing of how few or how many rows they have: where the order of a join matters, CROSS JOIN says it, here and
 * wherever such a table is read.
 *
 *   gc_garbage   artifacts that go: by which rule, and the number that goes with it (a time, or a count of versions)
 *   gc_stopped   why nothing goes at all; mostly empty
 *   gc_leases    leases that protect what they hold
 *   gc_unnamed   blobs that nothing names now, and that the plan takes; gc_left: those that it leaves
 *   gc_dead      blobs that nothing names once the garbage is gone
 *   gc_packs     what becomes of each pack: how many members stay and die, what a pack of those that stay takes, and the bytes of the others
 *   gc_members   what lay in directories whose rows are taken away just now; gc_next: those among it that nothing names by then
 */
const SETS = {
  gc_garbage: "seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, detail INTEGER NOT NULL",
  gc_stopped: "because TEXT NOT NULL",
  gc_leases: "seq INTEGER PRIMARY KEY",
  gc_unnamed: "seq INTEGER PRIMARY KEY",
  gc_left: "seq INTEGER PRIMARY KEY",
  gc_dead: "seq INTEGER PRIMARY KEY",
  gc_packs: "seq INTEGER PRIMARY KEY, members INTEGER NOT NULL, dying INTEGER NOT NULL, live INTEGER NOT NULL, dead INTEGER NOT NULL",
  gc_members: "seq INTEGER PRIMARY KEY",
  gc_next: "seq INTEGER PRIMARY KEY",
} as const;

/** Makes them, empty but for leases. `stopped`: why nothing goes. Not inside a transaction. */
export function openTables(db: Database, given: { leases: readonly number[]; stopped: string | undefined }): void {
  db.run("PRAGMA temp_store = MEMORY");
  for (const [set, columns] of Object.entries(SETS)) {
    db.run(`CREATE TEMP TABLE IF NOT EXISTS ${set} (${columns})`);
    db.run(`DELETE FROM temp.${set}`);
  }
  db.query("INSERT INTO temp.gc_leases SELECT value FROM json_each(?)").run(JSON.stringify(given.leases));
  if (given.stopped !== undefined) db.query("INSERT INTO temp.gc_stopped VALUES (?)").run(given.stopped);
}

/** Why nothing goes, where that is so. After `openTables`. */
export function stoppedBecause(db: Database): string | undefined {
  return db.query<{ because: string }, []>("SELECT because FROM temp.gc_stopped").get()?.because;
}

const INSERTED_AT_ONCE = 1 << 13;

/** Runs an insertion that reads a JSON list, over a million numbers or more; `word`: what stands in the list for each. */
export function insertAll(db: Database, insertion: string, seqs: Uint32Array, word?: (seq: number) => string): void {
  const insert = db.query(insertion);
  for (let at = 0; at < seqs.length; at += INSERTED_AT_ONCE) {
    const some = seqs.subarray(at, at + INSERTED_AT_ONCE);
    insert.run(`[${word ? Array.from(some, word).join() : some.join()}]`);
    collectAfter(at + INSERTED_AT_ONCE);
  }
}

/** The next garbage to bury, those made last first: from which seq on; undefined where none is left. */
export function nextGarbage(db: Database, below: number, most: number): number | undefined {
  const { first } = db
    .query<{ first: number | null }, [number, number]>(
      "SELECT min(seq) AS first FROM (SELECT seq FROM temp.gc_garbage WHERE seq < ? ORDER BY seq DESC LIMIT ?)",
    )
    .get(below, most) as { first: number | null };
  return first ?? undefined;
}

/** Runs of which something goes. */
export function runsOfGarbage(db: Database): number[] {
  const seqs = db.query("SELECT DISTINCT run FROM artifacts WHERE seq IN (SELECT seq FROM temp.gc_garbage) ORDER BY run").values();
  return (seqs as [number][]).map(([run]) => run);
}

/** They are buried, or they stay. */
export function settleGarbage(db: Database, artifacts: readonly number[]): void {
  db.query("DELETE FROM temp.gc_garbage WHERE seq IN (SELECT value FROM json_each(?))").run(JSON.stringify(artifacts));
}
