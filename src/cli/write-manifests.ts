import * as runs from "../db/records/runs.ts";
import { reason } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

/** Writes the manifests that this command (or one that died) made due; loaded only when there is one. */
export async function writeManifests(store: Store): Promise<void> {
  if (store.readOnly || runs.manifestDue(store.db).length === 0) return;
  const { writeRunManifests } = await import("../manifest/export/run-manifest.ts");
  try {
    if (writeRunManifests(store)) return;
    // what looks into those that are there already needs a reader of manifests
    const { writeDueManifests } = await import("../manifest/check/write-due-manifests.ts");
    writeDueManifests(store);
  } catch (error) {
    // what was recorded stays recorded; the manifests stay due
    store.say(`the run's manifest could not be written, and will be with the next command: ${reason(error)}`);
  }
}
