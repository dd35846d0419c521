import type { Database } from "bun:sqlite";
import type { ArtifactRow } from "./artifacts.ts";
import { ofDataset } from "./of-dataset.ts";
import * as runs from "./runs.ts";
import type { RunRow } from "./runs.ts";

/** Ended runs with artifacts in sight, the oldest first: those that are of a pipeline and of a dataset, by themselves or by one of these artifacts. */
export function ofPipelineAndDataset(db: Database, pipeline: string | null, dataset: string | null): RunRow[] {
  const of = (column: string): string => ofDataset(column, dataset ?? "", "?2");
  const seqs = db
    .query(
      `SELECT r.seq FROM runs r WHERE r.state <> 'running' AND r.removed_at IS NULL
         AND EXISTS (SELECT 1 FROM artifacts a WHERE a.run = r.seq AND a.state = 'live')
         AND (?1 IS NULL OR r.pipeline = ?1 OR r.seq IN (SELECT run FROM artifacts WHERE pipeline = ?1 AND state = 'live'))
         AND (?2 IS NULL OR ${of("r.dataset")} OR r.seq IN (SELECT run FROM artifacts WHERE ${of("dataset")} AND state = 'live'))
       ORDER BY r.seq`,
    )
    .values(pipeline, dataset) as [number][];
  return seqs.map(([seq]) => runs.bySeq(db, seq) as RunRow);
}

/** Artifacts of a run that are out of sight, and that something was made from: the oldest first. */
export function goneOrigins(db: Database, run: number): ArtifactRow[] {
  return db
    .query<ArtifactRow, [number]>(
      `SELECT * FROM artifacts a WHERE run = ? AND state <> 'live'
         AND (EXISTS (SELECT 1 FROM edges WHERE dependency = a.seq) OR EXISTS (SELECT 1 FROM meta_sources WHERE source = a.seq))
       ORDER BY seq`,
    )
    .all(run);
}

/** The only artifact that an id can mean; null where it is one of several. */
export function onlyOfId(db: Database, id: string): number | null {
  const seqs = db.query("SELECT seq FROM artifacts WHERE id = ? LIMIT 2").values(id) as [number][];
  return seqs.length === 1 ? ((seqs[0] as [number])[0] ?? null) : null;
}
