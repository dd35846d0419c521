import * as integrity from "../db/check/integrity.ts";
import * as metadata from "../db/open/metadata.ts";
import { rowFaults } from "../db/check/row-faults.ts";
import { isBusy } from "../db/wait/busy-database.ts";
import { REPLACE_DATABASE } from "../domain/damaged-database.ts";
import { CofferError, reason } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

/** Up to this size a look at the whole database costs less than a tenth of a second. Bytes. */
const QUICKLY_CHECKED = 64 << 20;

/**
 * Refuses to judge by a database that is damaged. A large one is only looked at as a whole before something is deleted: otherwise the look would take longer
 * than the plan.
 * @throws CofferError STORE_DAMAGED
 */
export function checkDatabase(store: Store, options: { thoroughly: boolean }): void {
  const { db } = store;
  let found: string | undefined;
  try {
    // with the indexes, which name once more what rows name, in an order that look-ups go by
    if (options.thoroughly) found = integrity.faults(db)[0] ?? rowFaults(db)[0];
    else if (integrity.databaseBytes(db) <= QUICKLY_CHECKED) found = integrity.quickFault(db);
  } catch (error) {
    if (isBusy(error)) throw error;
    throw damaged(reason(error), error);
  }
  if (found !== undefined) throw damaged(found.trim().replaceAll("\n", "; "));
}

/** Whether the database was made anew, and nobody has said since that it lacks nothing. */
export function isUnconfirmed(store: Store): boolean {
  return Boolean(metadata.get(store.db, "rebuilt"));
}

/**
 * A database that was made anew may lack something that the lost one knew: a person has to say that it does not.
 * @throws CofferError UNCONFIRMED
 */
export function requireConfirmed(store: Store, confirmed: boolean): void {
  if (isUnconfirmed(store) && !confirmed)
    throw new CofferError("UNCONFIRMED", "this store's database was rebuilt, and nobody has confirmed since that it knows everything", {
      hint: "look at coffer ls and at coffer gc without --apply, then run coffer gc --apply --yes; nothing was deleted",
    });
}

export function damaged(what: string, cause?: unknown): CofferError {
  return new CofferError("STORE_DAMAGED", `the database is damaged (${what}), so what is garbage cannot be known`, {
    hint: `${REPLACE_DATABASE}, then coffer verify; nothing was deleted`,
    cause,
  });
}
