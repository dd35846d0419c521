import type { Store } from "../store/store.ts";

/** Writes the manifests that this command (or one that died) made due; loaded only when there is one. */
export async function writeManifests(store: Store): Promise<void> {
  if (store.db.query("SELECT 1 FROM runs WHERE manifest = 'due' LIMIT 1").get() === null) return;
  const { writeDueManifests } = await import("../manifest/run-manifest.ts");
  writeDueManifests(store);
}
