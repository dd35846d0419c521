import type { Database } from "bun:sqlite";
import { isBusy } from "./busy-database.ts";
import { waitingAtMost } from "../open/journal-mode.ts";
import { holderOf } from "./lock-holder.ts";
import type { Holder } from "./lock-holder.ts";
import { SLICE_MS } from "./patience.ts";

/** Who keeps others from writing, for longer than a second; undefined where nobody does. Nothing is written. */
export function lockedBy(db: Database): Holder | undefined {
  try {
    waitingAtMost(db, SLICE_MS, () => db.run("BEGIN IMMEDIATE"));
  } catch (error) {
    // a disk that takes nothing is found by other means
    return isBusy(error) ? holderOf(db, "writers") : undefined;
  }
  db.run("ROLLBACK");
  return undefined;
}
