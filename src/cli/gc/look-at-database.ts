import { databaseBytes } from "../../db/check/integrity.ts";
import { formatBytes } from "../../domain/quantity.ts";
import { checkDatabase } from "../../gc/check-database.ts";
import type { Store } from "../../store/store.ts";
import type { Io } from "../io.ts";
import type { Work } from "./until-stopped.ts";

/** From here on a look at the whole database takes more than a second or two. Bytes. */
const LONG_CHECKED = 32 << 20;

/**
 * Refuses to judge by a database that is damaged. Each look at a large part of it is one call of SQLite, in which no signal is heard: where that is long, it is said before,
 * and a signal ends the process.
 * @throws CofferError STORE_DAMAGED; Interrupted
 */
export async function lookAtDatabase(io: Io, store: Store, { stop, pause }: Work, options: { thoroughly: boolean }): Promise<void> {
  const isLong = options.thoroughly && databaseBytes(store.db) > LONG_CHECKED;
  if (isLong) {
    io.say.info(`looking at the whole database (${formatBytes(databaseBytes(store.db))}) before anything is deleted`);
    stop.atOnce(() => checkDatabase(store, options));
  } else checkDatabase(store, options);
  await pause();
}
