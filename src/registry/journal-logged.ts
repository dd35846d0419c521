import { allAtPath, countOfRun } from "../db/records/artifact-paths.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import type { RunRow } from "../db/records/runs.ts";
import { journalRun } from "../store/database/journal-run.ts";
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
  journalRun(store, run, [...told.values()], ofRun <= told.size ? "run" : "nothing");
}
