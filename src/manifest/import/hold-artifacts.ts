import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import { unflushed } from "../../db/open/open.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { holdBlob, processLease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";

/** The artifacts of a run that are in sight, the oldest first. No sweep takes or moves their bytes until the store is closed: to export them may take long. */
export function holdArtifacts(store: Store, run: RunRow): ArtifactRow[] {
  const { seq } = processLease(store);
  // a machine that stops takes the reader along
  return unflushed(store.db, () =>
    store.transaction(() => {
      const made = artifacts.ofRun(store.db, run.seq).sort((a, b) => a.seq - b.seq);
      for (const { blob } of made) holdBlob(store, seq, blob as number);
      return made;
    }),
  );
}
