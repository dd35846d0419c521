import { allAtPath, countOfRun } from "../db/records/artifact-paths.ts";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as journal from "../db/records/journal.ts";
import type { RunRow } from "../db/records/runs.ts";
import { artifactBlock, runBlock } from "../store/database/record-blocks.ts";
import type { Store } from "../store/store.ts";

/**
 * Says in the journal what was logged to a run that goes on: its manifest comes at its end, and until then nothing else on the disk tells whose these bytes are. The
 * first such line tells of the run too. In the transaction that records them; the line is in the file before anybody is told that they are kept.
 */
export function journalLogged(store: Store, run: RunRow, recorded: readonly ArtifactRow[]): void {
  if (recorded.length === 0) return;
  const ofRun = countOfRun(store.db, run.seq);
  // an older one at the same path is no longer what MLflow gets
  const told = new Map(recorded.flatMap(({ path }) => allAtPath(store.db, run.seq, path)).map((row) => [row.seq, row]));
  const uidOf = (seq: number): string => told.get(seq)?.uid ?? artifacts.bySeq(store.db, seq)?.uid ?? "";
  const { metrics: _metrics, deliveries: _deliveries, events: _events, ...about } = runBlock(store, run);
  journal.append(store.db, {
    at: store.now(),
    did: "log",
    run: run.id,
    ...(ofRun <= told.size && { about }),
    artifacts: [...told.values()].map((row) => artifactBlock(store, row, uidOf)),
  });
}
