import type { Database } from "bun:sqlite";
import { ofDataset } from "./of-dataset.ts";

interface Sum {
  key: string;
  artifacts: number;
  bytes: number;
}

const KEYS = { type: "type", dataset: "ifnull(dataset, 'default')", run: "(SELECT id FROM runs WHERE runs.seq = artifacts.run)" } as const;

/** ?1: a dataset, or NULL for all. */
const of = (dataset: string | null): string => (dataset === null ? "?1 IS NULL" : ofDataset("dataset", dataset, "?1"));

/** Logical bytes (each reference counts) of the artifacts in sight, largest first. `total`: sizes that an import claims may add up to more than an integer holds. */
export function byKey(db: Database, key: keyof typeof KEYS, limit: number, dataset: string | null = null): Sum[] {
  const column = KEYS[key];
  return db
    .query<Sum, [string | null, number]>(
      `SELECT ${column} AS key, count(*) AS artifacts, total(size) AS bytes FROM artifacts WHERE state = 'live' AND ${of(dataset)} GROUP BY ${key === "run" ? "run" : column} ORDER BY bytes DESC LIMIT ?2`,
    )
    .all(dataset, limit);
}

export interface StoredTotals {
  /** Artifacts in sight. */
  references: number;
  /** Different contents among them. */
  unique: number;
  /** What the artifacts in sight would take if each were stored by itself. */
  logical: number;
  blobs: number;
  /** What their bytes take in the store, trees' lists included. */
  stored: number;
  packed: number;
  condemned: number;
}

export function stored(db: Database, dataset: string | null = null): StoredTotals {
  const references = db
    .query<{ n: number; u: number; bytes: number }, [string | null]>(
      `SELECT count(*) AS n, count(DISTINCT blob) AS u, total(size) AS bytes FROM artifacts WHERE state = 'live' AND ${of(dataset)}`,
    )
    .get(dataset) as { n: number; u: number; bytes: number };
  const blobs = db
    .query<{ n: number; bytes: number; packed: number; condemned: number }, [string | null]>(
      `SELECT count(*) AS n, total(size) AS bytes, count(*) FILTER (WHERE place = 'pack') AS packed, count(*) FILTER (WHERE state IN ('condemned', 'trashed')) AS condemned
       FROM blobs WHERE place <> 'foreign' AND ${of(dataset)}`,
    )
    .get(dataset) as { n: number; bytes: number; packed: number; condemned: number };
  return {
    references: references.n,
    unique: references.u,
    logical: references.bytes,
    blobs: blobs.n,
    stored: blobs.bytes,
    packed: blobs.packed,
    condemned: blobs.condemned,
  };
}
