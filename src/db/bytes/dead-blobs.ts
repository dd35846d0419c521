import type { Database } from "bun:sqlite";
import { DETAIL } from "../garbage/rule.ts";
import { blobWords, digestWords } from "./digest-words.ts";

// What goes, as people know it, and what it frees: read from the tables of `tables.ts`.

/** A pack of which every member dies is free at once, with all their bytes; those of others when it is rewritten. Knows what `measurePacks` found. */
const DIES_NOW = "(b.place = 'file' OR (b.place = 'pack' AND b.pack IN (SELECT seq FROM temp.gc_packs WHERE members = 0)))";
const NOW = `iif(${DIES_NOW}, b.size, 0)`;
const LATER = `iif(b.place = 'foreign' OR ${DIES_NOW}, 0, b.size)`;

export interface DescribedGarbage {
  seq: number;
  rule: string;
  detail: number;
  id: string;
  name: string | null;
  version: number;
  state: "live" | "removed" | "withdrawn";
  /** Bytes that only this one names, itself or as a file in its directory: free at once, and after repacking. */
  now: number;
  later: number;
}

/** Garbage as people know it: of one rule, or of all; at most `most` of it. */
export function describeGarbage(db: Database, rule: string | null, most: number): Iterable<DescribedGarbage> {
  // a directory's files: only this directory has them, and nobody logged one by itself
  const inside = (
    bytes: string,
  ): string => `iif(a.kind = 'tree', ifnull((SELECT sum(${bytes}) FROM tree_members t JOIN temp.gc_dead d ON d.seq = t.member JOIN blobs b ON b.seq = t.member
    WHERE t.tree = a.blob AND NOT EXISTS (SELECT 1 FROM tree_members o WHERE o.member = t.member AND o.tree <> t.tree) AND NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = t.member)), 0), 0)`;
  const bytes = (
    kind: string,
  ): string => `iif(b.seq IN (SELECT seq FROM temp.gc_dead) AND NOT EXISTS (SELECT 1 FROM artifacts k WHERE k.blob = b.seq AND k.seq <> a.seq)
    AND NOT EXISTS (SELECT 1 FROM tree_members t WHERE t.member = b.seq), ${kind} + ${inside(kind)}, 0)`;
  return db
    .query<DescribedGarbage, [string | null, number]>(
      `SELECT a.seq, g.rule, ${DETAIL} AS detail, a.id, a.name, a.version, a.state, ${bytes(NOW)} AS now, ${bytes(LATER)} AS later
       FROM temp.gc_garbage g CROSS JOIN artifacts a ON a.seq = g.seq CROSS JOIN blobs b ON b.seq = a.blob WHERE ?1 IS NULL OR g.rule = ?1 ORDER BY g.seq LIMIT ?2`,
    )
    .iterate(rule, most);
}

export interface UnnamedBlob {
  seq: number;
  state: string;
  /** How people know it: `path (digest)`, or its digest where it has no file of its own. */
  what: string;
  now: number;
  later: number;
}

/** Unnamed blobs that the plan takes. One in a pack that goes as a whole frees nothing by itself: the pack does. */
export function describeUnnamed(db: Database, most: number): Iterable<UnnamedBlob> {
  return db
    .query<UnnamedBlob, [number]>(
      `SELECT b.seq, b.state, ${blobWords("b")} AS what, iif(b.place = 'file', b.size, 0) AS now, ${LATER} AS later
       FROM temp.gc_unnamed u CROSS JOIN blobs b ON b.seq = u.seq ORDER BY u.seq LIMIT ?`,
    )
    .iterate(most);
}

export function unnamed(db: Database): number[] {
  return (db.query("SELECT seq FROM temp.gc_unnamed ORDER BY seq").values() as [number][]).map(([seq]) => seq);
}

export function countUnnamed(db: Database): number {
  return (db.query("SELECT count(*) AS n FROM temp.gc_unnamed").get() as { n: number }).n;
}

/** How people know some blobs, and their sizes. */
export function describeBlobs(db: Database, seqs: Iterable<number>): Map<number, { digest: string; size: number }> {
  const statement = db.query<{ digest: string; size: number }, [number]>(
    `SELECT ${digestWords("b")} AS digest, b.size FROM blobs b WHERE b.seq = ?`,
  );
  const found = new Map<number, { digest: string; size: number }>();
  for (const seq of seqs) found.set(seq, statement.get(seq) ?? { digest: "", size: 0 });
  return found;
}
