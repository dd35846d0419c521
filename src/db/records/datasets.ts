import type { Database } from "bun:sqlite";
import { digestWords } from "../bytes/digest-words.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import { distinct } from "./distinct.ts";

/** Every dataset that artifacts belong to, tombstones too, each once. Those without one are of `default`. */
export function names(db: Database): string[] {
  const named = distinct<string>(db, { table: "artifacts", column: "dataset" }, -1);
  const isAnyWithout = db.query("SELECT 1 FROM artifacts WHERE dataset IS NULL LIMIT 1").get() !== null;
  return isAnyWithout && !named.includes(DEFAULT_DATASET) ? [...named, DEFAULT_DATASET].sort() : named;
}

/** Bytes that lie under one dataset, and that by now only others use. */
export interface Displaced {
  blob: number;
  digest: string;
  size: number;
  /** A file's, or that of the pack; under the store's root. */
  path: string;
  pack: number | null;
  /** The first artifact that uses them, and its dataset. */
  first: number;
  dataset: string;
}

/** What the artifacts outside the garbage leave of a dataset's own blobs to other datasets. */
export function displaced(db: Database, dataset: string): Displaced[] {
  return db
    .query<Displaced, [string]>(
      `WITH own AS MATERIALIZED (SELECT seq FROM blobs WHERE dataset = ?1 AND state = 'live' AND place <> 'foreign'),
       users (blob, artifact) AS (SELECT o.seq, a.seq FROM own o CROSS JOIN artifacts a ON a.blob = o.seq
         UNION ALL SELECT o.seq, a.seq FROM own o CROSS JOIN tree_members t ON t.member = o.seq CROSS JOIN artifacts a ON a.blob = t.tree)
       SELECT u.blob, min(a.seq) AS first, ifnull(a.dataset, 'default') AS dataset, b.size, b.pack, ifnull(b.path, p.path) AS path,
         ${digestWords("b")} AS digest
       FROM users u CROSS JOIN artifacts a ON a.seq = u.artifact CROSS JOIN blobs b ON b.seq = u.blob LEFT JOIN packs p ON p.seq = b.pack
       WHERE a.seq NOT IN (SELECT seq FROM temp.gc_garbage)
       GROUP BY u.blob HAVING sum(ifnull(a.dataset, 'default') = ?1) = 0 ORDER BY b.pack, b.offset, u.blob`,
    )
    .all(dataset);
}

/** Whether a lease holds a blob, or a directory with it inside. */
export function isHeld(db: Database, blob: number): boolean {
  return (
    db
      .query(
        "SELECT 1 FROM lease_blobs WHERE blob = ?1 UNION ALL SELECT 1 FROM tree_members t JOIN lease_blobs l ON l.blob = t.tree WHERE t.member = ?1 LIMIT 1",
      )
      .get(blob) !== null
  );
}
