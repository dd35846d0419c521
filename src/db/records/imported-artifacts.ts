import type { Database } from "bun:sqlite";
import * as artifacts from "./artifacts.ts";
import type { ArtifactRow, NewArtifact } from "./artifacts.ts";

/** Inserts an artifact with the version that it had elsewhere, where that number is free and `wanted` is given; else with the next. */
export function insert(db: Database, artifact: NewArtifact, wanted: number | undefined): { seq: number; version: number } {
  if (wanted === undefined || isTaken(db, artifact, wanted)) return artifacts.insert(db, artifact);
  const series = artifact.name === null ? `id ${artifact.id}` : `name ${artifact.name}`;
  const before =
    db.query<{ last_version: number }, [string]>("SELECT last_version FROM series WHERE key = ?").get(series)?.last_version ?? 0;
  const count = (last: number): void =>
    void db
      .query("INSERT INTO series (key, last_version) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET last_version = excluded.last_version")
      .run(series, last);
  // the next number of the series is the one that is wanted
  if (wanted - 1 !== before) count(wanted - 1);
  const made = artifacts.insert(db, artifact);
  // and the highest that was ever given counts for those that follow
  if (before > wanted) count(before);
  return made;
}

/** A record keeps the uid that it has elsewhere, where no other has it. */
export function byUid(db: Database, uid: string): ArtifactRow | null {
  return db.query<ArtifactRow, [string]>("SELECT * FROM artifacts WHERE uid = ?").get(uid);
}

/** What the artifacts that have a blob say of it: one of this kind, where there is one. */
export function contentOf(db: Database, blob: number, kind: ArtifactRow["kind"]): Pick<ArtifactRow, "kind" | "size" | "files"> | null {
  return db
    .query<Pick<ArtifactRow, "kind" | "size" | "files">, [number, string]>(
      "SELECT kind, size, files FROM artifacts WHERE blob = ? ORDER BY kind = ? DESC LIMIT 1",
    )
    .get(blob, kind);
}

export function countOfRun(db: Database, run: number): number {
  return (db.query<{ count: number }, [number]>("SELECT count(*) AS count FROM artifacts WHERE run = ?").get(run) as { count: number })
    .count;
}

/** Those of a run whose ids the store had before. */
export function withOlder(db: Database, run: number): { seq: number; id: string }[] {
  return db
    .query<{ seq: number; id: string }, [number]>(
      "SELECT a.seq, a.id FROM artifacts a WHERE a.run = ? AND EXISTS (SELECT 1 FROM artifacts o WHERE o.id = a.id AND o.seq < a.seq)",
    )
    .all(run);
}

function isTaken(db: Database, { name, id }: NewArtifact, version: number): boolean {
  return name === null
    ? db.query("SELECT 1 FROM artifacts WHERE id = ? AND version = ? AND name IS NULL").get(id, version) !== null
    : db.query("SELECT 1 FROM artifacts WHERE name = ? AND version = ?").get(name, version) !== null;
}
