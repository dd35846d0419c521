import { sep } from "node:path";
import * as leases from "../../db/bytes/leases.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { REDACTED } from "../../domain/redact.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { ingest } from "../../store/ingest/ingest.ts";
import type { IngestUnit } from "../../store/ingest/ingest-unit.ts";
import { abandonLease, closeLease, takeLease } from "../../store/lease.ts";
import type { Lease } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import { realPath } from "./bytes-finder.ts";
import { checkLineage } from "./check-lineage.ts";
import type { FoundManifest } from "./find-manifests.ts";
import { inexactWords } from "../read/parse-manifest.ts";
import { planImport } from "./plan-import.ts";
import type { PlannedItem, PlannedManifest } from "./plan-import.ts";
import { Outrun, recordImport } from "./record-import.ts";
import type { Taken } from "./record-bytes.ts";
import type { Recorded } from "./record-import.ts";

export interface Imported {
  manifests: {
    path: string;
    schema: "1.0" | "2.0";
    run: RunRow;
    /** known: the store had all of it; grown: it had a part. */
    state: "imported" | "grown" | "known";
    artifacts: number;
    known: number;
  }[];
  /** Records whose bytes nobody has read. */
  unverified: number;
  /** Records that the store had, and whose bytes are elsewhere now than an earlier import left them. */
  relocated: number;
  copied: { files: number; bytes: number };
  /** Records whose bytes are not where they should be, or cannot be theirs. */
  missing: { id: string; path: string; why: string }[];
  renumbered: Recorded["renumbered"];
  notes: string[];
}

/**
 * Takes records over from manifests: all of them in one transaction, or none. Their bytes stay where they are and are not read, but for directories, whose digest
 * is that of a list, and for what lies in the store or among its workspaces, which are cleaned up; with `copy` all of them are taken into the store. Each of these
 * must be what its manifest says. `secrets` are values that may not be stored.
 * @throws CofferError MANIFEST_INVALID, PATH_INVALID, UNREADABLE, DEPENDENCY_MISSING, DEPENDENCY_CYCLE, DEPENDENCY_TOO_DEEP, COLLISION, CORRUPT
 */
export async function importManifests(
  store: Store,
  found: readonly FoundManifest[],
  { copy, secrets = [] }: { copy: boolean; secrets?: readonly string[] },
): Promise<Imported> {
  for (let round = 1; ; round++) {
    try {
      return await importOnce(store, found, { copy, secrets });
    } catch (error) {
      if (!(error instanceof Outrun)) throw error;
      if (round === MAX_ROUNDS)
        throw new CofferError("STORE_BUSY", "other processes import into the same run, again and again", {
          hint: "wait until they are done, then try again; nothing was stored",
        });
    }
  }
}

const MAX_ROUNDS = 5;

async function importOnce(
  store: Store,
  found: readonly FoundManifest[],
  options: { copy: boolean; secrets: readonly string[] },
): Promise<Imported> {
  const planned = await planImport(store, found, options);
  const lineage = checkLineage(store, planned);
  const isOurs = ownPlaces(store);
  const wanted = planned
    .flatMap(({ items, again }) => [...items, ...again])
    .filter((one) => !one.lacking && !one.isGone && (options.copy || one.bytes?.kind === "tree" || isOurs(one.place)));
  if (wanted.length === 0) {
    const recorded = store.transaction(() => recordImport(store, planned, lineage, new Map()));
    return report(store, planned, recorded, new Map());
  }
  const lease = takeLease(store, "ingest");
  try {
    const taken = await takeIn(store, lease, wanted);
    syncPoint("import.taken");
    const recorded = store.transaction(() => {
      const done = recordImport(store, planned, lineage, taken);
      syncPoint("import.recorded");
      return done;
    });
    syncPoint("import.committed");
    closeLease(store, lease);
    return report(store, planned, recorded, taken);
  } catch (error) {
    abandonLease(store, lease);
    throw error;
  }
}

/** Tells whether a path lies below one of the roots: what lies there goes with its run. */
function ownPlaces({ root, settings: { roots } }: Store): (path: string) => boolean {
  const own = [root, roots.workspace, roots.mlflow].map((place) => `${realPath(place) ?? place}${sep}`);
  return (path) => own.some((place) => path.startsWith(place));
}

/** Takes bytes into the store, one dataset after the other; the lease holds them until the records name them. */
async function takeIn(store: Store, lease: Lease, wanted: readonly PlannedItem[]): Promise<Taken> {
  const taken = new Map<string, { blob: number; hex: string; size: number; files: number; mode: number }>();
  const wrong: string[] = [];
  for (const [dataset, items] of Map.groupBy(wanted, (one) => one.dataset)) {
    const bySource = Map.groupBy(items, (one) => one.place);
    const units = [...bySource].map(([source, [first]]): IngestUnit => unitOf(source, first as PlannedItem));
    const sha256 = new Map<string, Buffer>();
    const { result, problems } = await ingest(store, lease, units, { dataset, sha256 }, (admitted) => {
      for (const { blob } of admitted) leases.holdBlob(store.db, lease.seq, blob);
      return admitted;
    });
    for (const problem of problems) wrong.push(`${problem.path}: ${problem.why}`);
    for (const { unit, ...rest } of result)
      for (const { item, digest } of bySource.get(unit.source) ?? []) {
        const isSame = digest.hex === (digest.algorithm === "blake3" ? rest.hex : sha256.get(rest.hex)?.toString("hex"));
        if (isSame) taken.set(formatDigest(digest), rest);
        else wrong.push(`${unit.source} is not what ${item.id} says (${formatDigest(digest)})`);
      }
  }
  if (wrong.length > 0)
    throw new CofferError(
      "CORRUPT",
      wrong.length === 1 ? "a file is not what its manifest says" : `${wrong.length} files are not what their manifests say`,
      {
        hint: "put the right ones there, or take these records out of the manifest; nothing was imported",
        candidates: wrong.slice(0, 1000),
      },
    );
  return taken;
}

function unitOf(source: string, { item, bytes }: PlannedItem): IngestUnit {
  const kind = bytes?.kind ?? "file";
  return { path: item.path, source, kind, type: item.type, class: item.class, typed: kind === "file" && item.type !== "file", move: false };
}

function report(store: Store, planned: readonly PlannedManifest[], recorded: readonly Recorded[], taken: Taken): Imported {
  const missing = planned.flatMap(({ items, again }) =>
    [...items, ...again]
      .filter(({ lacking }) => lacking !== undefined)
      .map((one) => ({ id: one.item.id, path: one.place, why: one.lacking as string })),
  );
  return {
    manifests: recorded.map(({ manifest: { read, run, items, known }, run: seq }) => ({
      path: read.path,
      schema: read.schema,
      run: runs.bySeq(store.db, seq) as RunRow,
      state: !run ? "imported" : items.length > 0 ? "grown" : "known",
      artifacts: items.filter(({ isGone }) => !isGone).length,
      known: read.items.filter((item) => known.has(item)).length,
    })),
    unverified: recorded.reduce((sum, one) => sum + one.unverified, 0),
    relocated: recorded.reduce((sum, one) => sum + one.relocated, 0),
    copied: {
      files: [...taken.values()].reduce((sum, one) => sum + one.files, 0),
      bytes: [...taken.values()].reduce((sum, one) => sum + one.size, 0),
    },
    missing,
    renumbered: recorded.flatMap((one) => one.renumbered),
    notes: planned.flatMap(notesOf),
  };
}

function notesOf({ read, items }: PlannedManifest): string[] {
  const notes: string[] = [];
  const inexact = inexactWords(read.inexact);
  if (inexact !== undefined) notes.push(`${read.path}: ${inexact}`);
  if (read.isRedacted) notes.push(`${read.path}: what looks like a secret is left out, and an export says ${REDACTED} there`);
  const odd = new Set(
    items.map(({ item }) => item.raw["artifact_type"]).filter((type, index) => type !== undefined && type !== items[index]?.item.type),
  );
  for (const type of odd)
    notes.push(
      `${read.path}: ${JSON.stringify(type)} is no type of artifact here; its records count as files, and are exported as they were`,
    );
  return notes;
}
