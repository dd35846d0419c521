import { expect, test } from "bun:test";
import { inParallel } from "../../src/sync/in-parallel.ts";

/** Runs weights through it; each task ends when it is let go. Returns what ran at once, at most. */
async function most(
  weights: readonly number[],
  limits: { jobs: number; weight: number },
): Promise<{ tasks: number; weight: number; order: number[] }> {
  const seen = { tasks: 0, weight: 0, order: [] as number[] };
  let tasks = 0;
  let weight = 0;
  await inParallel(
    weights,
    limits,
    (own) => own,
    async (own) => {
      seen.order.push(own);
      tasks++;
      weight += own;
      seen.tasks = Math.max(seen.tasks, tasks);
      seen.weight = Math.max(seen.weight, weight);
      await Bun.sleep(0);
      tasks--;
      weight -= own;
    },
  );
  return seen;
}

const cases: [what: string, weights: number[], limits: { jobs: number; weight: number }, tasks: number, weight: number][] = [
  ["nothing", [], { jobs: 4, weight: 10 }, 0, 0],
  ["as many as there are jobs", [1, 1, 1, 1, 1], { jobs: 2, weight: 10 }, 2, 2],
  ["no more than the weight allows", [4, 4, 4, 4], { jobs: 4, weight: 10 }, 2, 8],
  ["one that is too heavy alone", [1, 50, 1], { jobs: 4, weight: 10 }, 1, 50],
];
for (const [what, weights, limits, tasks, weight] of cases)
  test(`it runs at once: ${what}`, async () => {
    expect(await most(weights, limits)).toEqual({ tasks, weight, order: weights });
  });

test("after an error none begins, those that run are waited for, and the first error is the one", async () => {
  const done: number[] = [];
  const work = inParallel(
    [1, 2, 3, 4],
    { jobs: 2, weight: 10 },
    () => 1,
    async (item) => {
      if (item === 1) throw new Error("first");
      await Bun.sleep(1);
      done.push(item);
      throw new Error("second");
    },
  );
  expect(await work.catch((error: unknown) => error)).toEqual(new Error("first"));
  expect(done).toEqual([2]);
});
