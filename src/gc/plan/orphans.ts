import { countUnnamed } from "../../db/bytes/dead-blobs.ts";
import { findUnnamed } from "../../db/bytes/find-dead.ts";
import { readArtifacts } from "../../db/garbage/read-artifacts.ts";
import { readBlobs } from "../../db/garbage/read-blobs.ts";
import { reading } from "../../db/open/open.ts";
import type { Store } from "../../store/store.ts";
import { openSets } from "./sets.ts";
import { STOPPED, strangeRuns } from "../strange-manifests.ts";
import { findStrays } from "./strays.ts";

/** What nothing names. */
export interface Orphans {
  /** Below `binaries/`, of any age, but for what a live process may be about to name. */
  files: number;
  /** Of these files. */
  bytes: number;
  /** That no artifact names. */
  blobs: number;
  /** Rows whose files are gone. */
  missing: number;
}

/** Counts them, as gc sees them: of a dataset, or of all. */
export function countOrphans(store: Store, dataset: string | null): Orphans {
  const { db } = store;
  const stopped = strangeRuns(store);
  openSets(store, stopped.length > 0 ? STOPPED : undefined);
  const blobs = reading(db, () => {
    findUnnamed(db, readBlobs(db, readArtifacts(db, { before: null, times: false })), dataset);
    return countUnnamed(db);
  });
  const { files, missing } = findStrays(store, { grace: 0, scope: { dataset, part: "orphans" }, isStopped: stopped.length > 0 });
  const going = files.filter(({ keeper }) => keeper === undefined);
  return { files: going.length, bytes: going.reduce((sum, { bytes }) => sum + bytes, 0), blobs, missing: missing.length };
}
