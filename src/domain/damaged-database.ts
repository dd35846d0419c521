import { CofferError, reason } from "./error.ts";

/** What a person does about a database that is lost or damaged, in the words of every message about one. */
export const REPLACE_DATABASE = "run coffer rebuild (better than a coffer.db from a backup, which knows nothing of later runs)";

/** A query met malformed pages (`isMalformed`). @returns STORE_DAMAGED */
export function damagedDatabase(cause: unknown): CofferError {
  return new CofferError("STORE_DAMAGED", `the store's database is damaged: ${reason(cause)}`, {
    hint: `${REPLACE_DATABASE}; coffer verify lists what is damaged`,
    cause,
  });
}
