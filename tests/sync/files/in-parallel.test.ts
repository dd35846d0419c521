import { expect, test } from "bun:test";
import { inParallel } from "../../../src/sync/files/in-parallel.ts";

test("as many run at once as there are jobs, in order, and each item is asked for when its turn comes", async () => {
  const order: number[] = [];
  let running = 0;
  let most = 0;
  let asked = 0;
  function* items(): Generator<number> {
    for (const item of [1, 2, 3, 4, 5]) {
      asked = item;
      yield item;
    }
  }
  await inParallel(items(), 2, async (item) => {
    order.push(item);
    expect(asked).toBe(item);
    most = Math.max(most, ++running);
    await Bun.sleep(0);
    running--;
  });
  expect([most, order]).toEqual([2, [1, 2, 3, 4, 5]]);
});

test("nothing to do is done at once", () => expect(inParallel([], 4, () => Promise.reject(new Error("called")))).resolves.toBeUndefined());

test("after an error none begins, those that run are waited for, and the first error is the one", async () => {
  const done: number[] = [];
  const work = inParallel([1, 2, 3, 4], 2, async (item) => {
    if (item === 1) throw new Error("first");
    await Bun.sleep(1);
    done.push(item);
    throw new Error("second");
  });
  expect(await work.catch((error: unknown) => error)).toEqual(new Error("first"));
  expect(done).toEqual([2]);
});

test("items that cannot be had end it as work does", async () => {
  const done: number[] = [];
  function* items(): Generator<number> {
    yield 1;
    throw new Error("unreadable");
  }
  const work = inParallel(items(), 2, async (item) => {
    await Bun.sleep(1);
    done.push(item);
  });
  expect(await work.catch((error: unknown) => error)).toEqual(new Error("unreadable"));
  expect(done).toEqual([1]);
});
