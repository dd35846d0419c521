import { expect, test } from "bun:test";
import { Pace, paceWords } from "../../../src/cli/sync-mlflow/delivery-pace.ts";
import type { Progress } from "../../../src/sync/tally.ts";

const MB = 1_000_000;
const none = { points: 0, files: 0, bytes: 0 };

function at(files: [done: number, of: number], bytes: [done: number, of: number], more: Partial<Progress> = {}): Progress {
  const portion = ([done, of]: [number, number]) => ({ done, of });
  return {
    run: "a",
    nth: 1,
    runs: 1,
    points: { done: 0, of: 0 },
    files: portion(files),
    bytes: portion(bytes),
    goesOn: false,
    later: none,
    ...more,
  };
}

test("the rate is that of the last ten seconds, and the time left follows from it", () => {
  const pace = new Pace();
  const all = 1000 * MB;
  expect(pace.see(at([0, 1], [0, all]), 0)).toMatchObject({ rate: undefined, left: undefined });
  for (let second = 1; second <= 20; second++) pace.see(at([0, 1], [second * 10 * MB, all]), second * 1000);
  expect(pace.see(at([0, 1], [200 * MB, all]), 20_000)).toMatchObject({ rate: 10 * MB });
  for (let second = 21; second <= 30; second++) pace.see(at([0, 1], [200 * MB + (second - 20) * 50 * MB, all]), second * 1000);
  const standing = pace.see(at([0, 1], [700 * MB, all]), 30_000);
  expect(standing.rate).toBe(50 * MB);
  // 300 MB, and the file itself
  expect(standing.left).toBe(6001);
});

test("small files take their time although they weigh nothing", () => {
  const pace = new Pace();
  pace.see(at([0, 1000], [0, 1000]), 0);
  const { rate, left } = pace.see(at([100, 1000], [100, 1000]), 1000);
  expect([rate, left]).toEqual([100, 9000]);
});

test("metric points go first, and are what is told of until they are there", () => {
  const pace = new Pace();
  const points = (done: number) => at([0, 2], [0, 20], { points: { done, of: 8000 } });
  pace.see(points(0), 0);
  const standing = pace.see(points(4000), 500);
  expect(paceWords(standing)).toBe("4000/8000 metric points, 1 s left");
  pace.see(points(8000), 1000);
  expect(paceWords(pace.see(at([1, 2], [10, 20]), 2000))).toMatch(/^1\/2 files, 10 B of 20 B, 5 B\/s, 1 s left$/);
});

test("of a run that goes on nobody knows the end; the time left is told in whole seconds", () => {
  const pace = new Pace();
  const points = (done: number, goesOn: boolean) => at([0, 0], [0, 0], { points: { done, of: 100_000 }, goesOn });
  pace.see(points(0, true), 0);
  expect(pace.see(points(1000, true), 1000).left).toBeUndefined();
  expect(paceWords(pace.see(points(1500, false), 1500))).toBe("1500/100000 metric points, 1 m 39 s left");
  expect(paceWords({ ...pace.see(points(1500, false), 1500), left: 58_001 })).toEndWith(", 59 s left");
});

test("what nobody moves has a rate of 0, and no end in sight", () => {
  const pace = new Pace();
  pace.see(at([0, 1], [5, 10]), 0);
  const standing = pace.see(at([0, 1], [5, 10]), 1000);
  expect(standing).toMatchObject({ rate: 0, left: undefined });
  expect(paceWords(standing)).toBe("0/1 files, 5 B of 10 B, 0 B/s");
});

test("the runs of a delivery add up, what waits behind them counts, and bytes of an upload that failed are taken back", () => {
  const pace = new Pace();
  const first = { later: { points: 0, files: 3, bytes: 30 }, runs: 2 };
  expect(pace.see(at([0, 2], [0, 20], first), 0)).toMatchObject({ files: { done: 0, of: 5 }, bytes: { done: 0, of: 50 } });
  expect(pace.see(at([1, 2], [15, 20], first), 10).bytes).toEqual({ done: 15, of: 50 });
  expect(pace.see(at([1, 2], [10, 20], first), 20).bytes).toEqual({ done: 10, of: 50 });
  expect(pace.see(at([2, 2], [20, 20], first), 30).bytes).toEqual({ done: 20, of: 50 });
  const second = pace.see(at([1, 3], [10, 30], { run: "b", nth: 2, runs: 2 }), 600);
  expect(second).toMatchObject({ files: { done: 3, of: 5 }, bytes: { done: 30, of: 50 } });
  expect(paceWords(second)).toMatch(/^3\/5 files, 30 B of 50 B, 50 B\/s, 1 s left \(run 2 of 2\)$/);
});

test("a watch that had nothing to do for a while begins to measure anew", () => {
  const pace = new Pace();
  pace.see(at([0, 1], [0, 10]), 0);
  pace.see(at([1, 1], [10, 10]), 1000);
  expect(pace.see(at([0, 1], [0, 100], { run: "b" }), 60_000)).toMatchObject({ rate: undefined, left: undefined });
});
