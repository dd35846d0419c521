import { chmodSync, lstatSync, rmSync } from "node:fs";
import * as blobs from "../../db/bytes/blobs.ts";
import { isUncertain } from "../../db/open/cannot-open.ts";
import { keepTablesInMemory, leaveLogForLater } from "../../db/open/open.ts";
import type { Work } from "../../db/open/open.ts";
import * as sources from "../../db/bytes/sources.ts";
import { reason } from "../../domain/error.ts";
import { freeLeftovers } from "../../domain/free-leftovers.ts";
import { thisBoot } from "../../domain/process-identity.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { requireLease } from "../lease.ts";
import type { Lease } from "../lease.ts";
import { admitBlobs, admitUnit, Vanished } from "./admit.ts";
import type { Admitted, Moved } from "./admitted.ts";
import { stage } from "./stage.ts";
import type { IngestOptions, IngestUnit } from "./ingest-unit.ts";
import { place } from "./place.ts";
import { sha256OfStaged } from "../sha256.ts";
import type { StagedUnit } from "./staged.ts";
import { stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";
import type { Problem } from "./walk.ts";

export interface Ingested<T> {
  result: T;
  problems: Problem[];
  moved: Moved[];
  /** Bytes and blobs that the store did not have before. */
  added: { blobs: number; bytes: number };
}

const MAX_ROUNDS = 5;

/**
 * Keeps units: 1. reads and hashes them into staging, durably; 2. gives the files their names in `binaries/`, durably; 3. in one write
 * transaction looks again at each digest, writes the rows, and calls `commit` for the rows that name them. Bytes before rows.
 *
 * What the store had when it was asked may be gone when the transaction looks again (a sweep took it meanwhile), or may have been found damaged since, and a file that is
 * moved in may have been written to: then everything begins anew, with digests that went away or were written to distrusted. Bytes that the store has lost or that were damaged are replaced by those that were read.
 * @throws CofferError UNREADABLE, STORE_UNUSABLE, PROTECTED where the lease was taken away; nothing is kept then
 */
export async function ingest<T>(
  store: Store,
  lease: Lease,
  units: readonly IngestUnit[],
  options: IngestOptions,
  commit: (admitted: Admitted[], problems: readonly Problem[]) => T,
): Promise<Ingested<T>> {
  if (units.length === 0)
    return { result: store.transaction((() => commit([], [])) as Work<T>), problems: [], moved: [], added: { blobs: 0, bytes: 0 } };
  const distrusted = new Set<string>();
  for (let round = 1; ; round++) {
    const staged = await stage(store, lease, units, options, distrusted);
    const sha256 = await sha256OfStaged(store, staged, options.sha256 !== undefined);
    for (const [hex, digest] of sha256) options.sha256?.set(hex, digest);
    const placed = place(store, staged, options.dataset);
    const surplus: string[] = [];
    const moved: Moved[] = [];
    const added = { blobs: 0, bytes: 0 };
    let result: T;
    freeLeftovers(staged.units.reduce((files, unit) => files + unit.files, 0));
    // so that what a statement of many rows may have to take back does not go through a file
    keepTablesInMemory(store.db);
    leaveLogForLater(store.db);
    try {
      result = store.transaction((() => {
        requireLease(store, lease);
        const seqs = admitBlobs(store, staged, placed, { dataset: options.dataset, sha256 }, { surplus, moved, added });
        syncPoint("ingest.admitted");
        const committed = commit(
          staged.units.map((unit) => admitUnit(store, unit, staged.blobs, seqs)),
          staged.problems,
        );
        remember(store, staged.units);
        syncPoint("ingest.recorded");
        return committed;
      }) as Work<T>);
    } catch (error) {
      if (!isUncertain(error)) for (const path of placed.all) rmSync(path, { force: true });
      if (!(error instanceof Vanished) || round === MAX_ROUNDS) throw error;
      for (const hex of error.digests) distrusted.add(hex);
      syncPoint("ingest.vanished");
      continue;
    }
    syncPoint("ingest.committed");
    // committed: from here on nothing may take a placed file away again
    removeSurplus(store, surplus);
    return { result, problems: staged.problems, moved, added };
  }
}

/** Files that turned out to be there already. One that cannot be removed has no row, and is a stray for gc. */
function removeSurplus(store: Store, surplus: readonly string[]): void {
  for (const path of surplus) {
    try {
      rmSync(path, { force: true });
    } catch (error) {
      store.say(`${path} is not needed and could not be removed; gc will: ${reason(error)}`);
    }
  }
}

/** After the workspace's own names are gone: the blobs become read-only, and their rows learn the time stamps that this gave them. */
export function settleMoved(store: Store, moved: readonly Moved[]): void {
  if (moved.length === 0) return;
  for (const { path } of moved) chmodSync(path, 0o444);
  syncPoint("ingest.closed");
  store.transaction(() => {
    for (const { blob, path } of moved) blobs.restamp(store.db, blob, stampOf(lstatSync(path, { bigint: true })));
  });
}

/** So that what does not change is not read again. */
function remember(store: Store, units: readonly StagedUnit[]): void {
  let isNew = false;
  for (const { unit, seen } of units) {
    if (seen === "same") sources.touch(store.db, unit.source, store.now());
    else if (seen) sources.keep(store.db, unit.source, { boot: thisBoot(), bytes: seen }, store.now());
    isNew ||= seen instanceof Buffer;
  }
  if (isNew) sources.makeRoom(store.db);
}
