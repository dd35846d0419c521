import type { Database } from "bun:sqlite";
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
