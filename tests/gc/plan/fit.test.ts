import { expect, test } from "bun:test";
import { chooseToFit } from "../../../src/gc/plan/fit.ts";

/** Each unit frees 10 bytes, but for those in `shared`. */
function fit(
  used: readonly number[],
  excess: number,
  edges: readonly (readonly [number, number])[] = [],
  shared: readonly number[] = [],
  apart = 1,
) {
  const units = { seqs: Float64Array.from(used, (_, place) => (place + 1) * apart), used: Float64Array.from(used) };
  const pairs = edges.map(([artifact, dependency]) => ({ artifact: artifact * apart, dependency: dependency * apart }));
  const { chosen, freed } = chooseToFit(units, pairs, excess, (place) => (shared.includes(place + 1) ? undefined : 10));
  return { chosen: [...chosen].map((place) => place + 1), freed };
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
