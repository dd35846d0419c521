import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { eachPair } from "../../../src/db/garbage/each-pair.ts";

const NARROW = 2 ** 26;

function pairs(rows: readonly (readonly [number, number, number])[], below: number, c?: string): number[][] {
  using db = new Database(":memory:");
  db.run("CREATE TABLE rows (a, b, c)");
  for (const row of rows) db.query("INSERT INTO rows VALUES (?, ?, ?)").run(...row);
  const found: number[][] = [];
  eachPair(db, { a: "a", b: "b", ...(c !== undefined && { c }), from: "rows WHERE a >= ?", below, given: [1] }, (...row) =>
    found.push(row),
  );
  return found;
}

test("two numbers that travel as one arrive as they were, up to the largest", () => {
  const rows = [
    [0, 5, 5],
    [1, 0, 7],
    [NARROW - 1, 2 * NARROW - 1, 2 ** 50],
  ] as const;
  expect(pairs(rows, NARROW, "c")).toEqual([
    [1, 0, 7],
    [NARROW - 1, 2 * NARROW - 1, 2 ** 50],
  ]);
  expect(pairs(rows, NARROW)).toEqual([
    [1, 0, 0],
    [NARROW - 1, 2 * NARROW - 1, 0],
  ]);
});

test("what is too large for that arrives one by one", () => {
  const rows = [[NARROW, 2 ** 52 - 1, 3]] as const;
  expect(pairs(rows, NARROW + 1, "c")).toEqual([[NARROW, 2 ** 52 - 1, 3]]);
  expect(pairs(rows, Infinity)).toEqual([[NARROW, 2 ** 52 - 1, 0]]);
});
