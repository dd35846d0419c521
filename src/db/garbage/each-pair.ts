import type { Database } from "bun:sqlite";
import { REPLACE_DATABASE } from "../../domain/damaged-database.ts";
import { CofferError } from "../../domain/error.ts";

/** Below this a number and another, of one bit more, fit into one that JavaScript has exactly. */
const NARROW = 2 ** 26;
const SHIFT = 2 * NARROW;

/**
 * Hands over two whole numbers of each row, from 0, and a third where `c` names one. The first two come as one number: a column less of a million rows is half of what
 * reading them takes. `below`: all of the first, and halves of all of the second, are less; where that is too large for it, they come one by one.
 */
export function eachPair(
  db: Database,
  { a, b, c = "0", from, below, given = [] }: { a: string; b: string; c?: string; from: string; below: number; given?: number[] },
  take: (a: number, b: number, c: number) => void,
): void {
  let count = 0;
  if (below > NARROW) {
    const rows = db.query<{ a: number; b: number; c: number }, number[]>(`SELECT ${a} AS a, ${b} AS b, ${c} AS c FROM ${from}`);
    for (const row of rows.iterate(...given)) {
      take(row.a, row.b, row.c);
      if (++count % COLLECTED === 0) Bun.gc(true);
    }
  } else if (c === "0") {
    const rows = db.query<{ ab: number }, number[]>(`SELECT ${a} * ${SHIFT} + ${b} AS ab FROM ${from}`);
    for (const { ab } of rows.iterate(...given)) {
      const first = Math.floor(ab / SHIFT);
      take(first, ab - first * SHIFT, 0);
      if (++count % COLLECTED === 0) Bun.gc(true);
    }
  } else {
    const rows = db.query<{ ab: number; c: number }, number[]>(`SELECT ${a} * ${SHIFT} + ${b} AS ab, ${c} AS c FROM ${from}`);
    for (const { ab, c: third } of rows.iterate(...given)) {
      const first = Math.floor(ab / SHIFT);
      take(first, ab - first * SHIFT, third);
      if (++count % COLLECTED === 0) Bun.gc(true);
    }
  }
  if (count > COLLECTED) Bun.gc(true);
}

/** After so many rows what is left of them is collected: by itself the engine lets half of the memory that a plan may take fill up with them. */
export const COLLECTED = 1 << 17;

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
