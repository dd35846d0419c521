import { expect, test } from "bun:test";
import type { Lineage } from "../../../src/db/garbage/read-lineage.ts";
import { chooseToFit } from "../../../src/gc/plan/fit.ts";

/** Each unit frees 10 bytes, but for those in `shared`. */
function fit(
  used: readonly number[],
  excess: number,
  edges: readonly (readonly [number, number])[] = [],
  shared: readonly number[] = [],
  apart = 1,
) {
  const room = used.length * apart + 1;
  const units = { mayGo: new Uint8Array(room), used: new Float64Array(room) };
  for (const [place, time] of used.entries()) {
    units.mayGo[(place + 1) * apart] = 1;
    units.used[(place + 1) * apart] = time;
  }
  const pairs = edges.map(([artifact, dependency]) => [artifact * apart, dependency * apart] as const);
  const chosen: number[] = [];
  const { count, freed } = chooseToFit({ ...units, lineage: lineageOf(pairs, room) }, excess, (seq) => {
    if (shared.includes(seq / apart)) return undefined;
    chosen.push(seq / apart);
    return 10;
  });
  expect(count).toBe(chosen.length);
  return { chosen, freed };
}

function lineageOf(pairs: readonly (readonly [number, number])[], room: number): Lineage {
  const sorted = pairs.toSorted(([a], [b]) => a - b);
  const first = Uint32Array.from({ length: room + 1 }, (_, seq) => sorted.filter(([artifact]) => artifact < seq).length);
  return { first, list: Uint32Array.from(sorted, ([, dependency]) => dependency) };
}

test("the least recently used go first, and no more than it takes", () =>
  expect(fit([300, 100, 200, 400], 15)).toEqual({ chosen: [2, 3], freed: 20 }));

test("nothing goes where nothing is in excess", () => expect(fit([1, 2], 0)).toEqual({ chosen: [], freed: 0 }));

test("when all of it is not enough, all of it goes", () => expect(fit([1, 2], 1000)).toEqual({ chosen: [1, 2], freed: 20 }));

test("what something was made from goes after it, and counts as used with it", () => {
  expect(fit([100, 900, 500], 15, [[2, 1]]).chosen).toEqual([3, 2]);
  expect(fit([100, 900, 500], 25, [[2, 1]]).chosen).toEqual([3, 2, 1]);
  expect(fit([100, 100], 15, [[1, 2]]).chosen).toEqual([1, 2]);
});

test("what would free nothing stays, with what it was made from", () => {
  expect(fit([100, 200, 300, 400], 25, [[2, 1]], [2])).toEqual({ chosen: [3, 4], freed: 20 });
});

test("it does not matter how far apart the rows are", () => {
  expect(fit([100, 900, 500], 15, [[2, 1]], [], 1000).chosen).toEqual([3, 2]);
  expect(fit([100, 200, 300, 400], 25, [[2, 1]], [2], 1000)).toEqual({ chosen: [3, 4], freed: 20 });
});
