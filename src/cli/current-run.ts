import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

/**
 * The run that this process belongs to, by COFFER_RUN_ID; an empty variable is none.
 * @throws CofferError NOT_FOUND where the variable names a run that this store does not have
 */
export function currentRun(store: Store, env: Readonly<Record<string, string | undefined>>): RunRow | undefined {
  const id = env["COFFER_RUN_ID"];
  if (!id) return undefined;
  const run = runs.byId(store.db, id);
  if (!run)
    throw new CofferError("NOT_FOUND", `COFFER_RUN_ID names a run that is not in ${store.root}`, {
      hint: "unset COFFER_RUN_ID, or name the store of that run with --root",
    });
  return run;
}
