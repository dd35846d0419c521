import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as inputs from "../db/records/run-inputs.ts";
import type { Store } from "../store/store.ts";

/** The artifacts that a run has read so far, in order: what it makes from now on depends on them. */
export function readBefore(store: Store, run: number): ArtifactRow[] {
  const read = new Set(inputs.ofRun(store.db, run).flatMap(({ artifact }) => (artifact === null ? [] : [artifact])));
  return [...read].map((seq) => artifacts.bySeq(store.db, seq) as ArtifactRow);
}
