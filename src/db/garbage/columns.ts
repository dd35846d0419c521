import type { Database } from "bun:sqlite";
import { REPLACE_DATABASE } from "../../domain/damaged-database.ts";
import { CofferError } from "../../domain/error.ts";

// What columns by the seqs of rows have in common: typed arrays, so that a million rows are a few megabytes.

/** The engine has no longer column of numbers. */
const MOST_ROOM = 2 ** 29;

/**
 * What follows the highest number of a table's rows: so long is a column that has a place for each.
 * @throws CofferError STORE_DAMAGED where no column is so long
 */
export function roomFor(db: Database, table: "artifacts" | "blobs" | "packs"): number {
  const { room } = db.query(`SELECT ifnull(max(seq), 0) + 1 AS room FROM ${table}`).get() as { room: number };
  if (room <= MOST_ROOM) return room;
  throw new CofferError(
    "STORE_DAMAGED",
    `one of the ${table} has the number ${room - 1} in the database, and ${MOST_ROOM} is more than any should have`,
    {
      hint: `${REPLACE_DATABASE}, which counts anew; nothing was deleted`,
    },
  );
}

/** The same numbers in a list twice as long. */
export function longer(list: Uint32Array): Uint32Array<ArrayBuffer> {
  const twice = new Uint32Array(2 * list.length);
  twice.set(list);
  return twice;
}

/** So many rows leave some ten megabytes behind them. */
const COLLECTED = 1 << 17;

/**
 * To be called with the number of each row that was read: after every so many, what is left of them is collected. By itself the engine lets half of the memory that a plan may
 * take fill up with them.
 */
export function collectAfter(count: number, every = COLLECTED): void {
  if (count % every === 0) Bun.gc(true);
}

/** The same once all are read: where they were many, what is left of the last of them. */
export function collectRest(count: number): void {
  if (count > COLLECTED) Bun.gc(true);
}
