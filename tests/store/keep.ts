import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { recordArtifact } from "../../src/registry/record.ts";
import { ingest } from "../../src/store/ingest/ingest.ts";
import type { Ingested } from "../../src/store/ingest/ingest.ts";
import type { IngestOptions, IngestUnit } from "../../src/store/ingest/ingest-unit.ts";
import { abandonLease, dropLease, takeLease } from "../../src/store/lease.ts";
import type { TestStore } from "../support/store.ts";

/** Keeps files as a run of their own would; what is not said of a unit is plain. */
export async function keep(
  test: TestStore,
  units: readonly (Partial<IngestUnit> & { source: string })[],
  options: Partial<IngestOptions> = {},
): Promise<Ingested<ArtifactRow[]>> {
  const { store } = test;
  const run = test.run();
  const lease = takeLease(store, "ingest");
  const plain = { kind: "file", type: "file", class: null, typed: false, move: false } as const;
  try {
    const all = units.map((unit) => ({ path: basename(unit.source), ...plain, ...unit }));
    const kept = await ingest(store, lease, all, { dataset: "default", ...options }, (admitted) =>
      admitted.map((one) => recordArtifact(store, run, one, { role: "output" })),
    );
    dropLease(store, lease);
    return kept;
  } catch (error) {
    abandonLease(store, lease);
    throw error;
  }
}

export function countOf(test: TestStore, table: "blobs" | "packs" | "leases" | "artifacts" | "events"): number {
  return (test.store.db.query(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
}

/** Every file below `binaries/`. */
export function storedFiles(test: TestStore): string[] {
  if (!existsSync(test.store.path("binaries"))) return [];
  return [...new Bun.Glob("**/*").scanSync({ cwd: test.store.path("binaries"), dot: true })].toSorted();
}
