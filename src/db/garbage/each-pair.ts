import type { Database } from "bun:sqlite";
import { collectAfter, collectRest } from "./columns.ts";

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
      collectAfter(++count);
    }
  } else if (c === "0") {
    const rows = db.query<{ ab: number }, number[]>(`SELECT ${a} * ${SHIFT} + ${b} AS ab FROM ${from}`);
    for (const { ab } of rows.iterate(...given)) {
      const first = Math.floor(ab / SHIFT);
      take(first, ab - first * SHIFT, 0);
      collectAfter(++count);
    }
  } else {
    const rows = db.query<{ ab: number; c: number }, number[]>(`SELECT ${a} * ${SHIFT} + ${b} AS ab, ${c} AS c FROM ${from}`);
    for (const { ab, c: third } of rows.iterate(...given)) {
      const first = Math.floor(ab / SHIFT);
      take(first, ab - first * SHIFT, third);
      collectAfter(++count);
    }
  }
  collectRest(count);
}
