import { join } from "node:path";
import { expect, test } from "bun:test";
import { measure, median } from "../../scripts/bench/measure.ts";
import type { Subject } from "../../scripts/bench/subject.ts";
import { makeRow, renderTable } from "../../scripts/bench/table.ts";

const subject: Subject = {
  name: "example",
  what: "an example",
  reference: "another",
  goal: { times: 2 },
  rounds: 3,
  prepare: () => Promise.reject(new Error("not needed")),
};

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[7], 7],
])("the median of %p is %p", (values, expected) => {
  expect(median(values)).toBe(expected);
});

test("a row compares medians, and misses its goal by time or by memory", () => {
  const reference = { milliseconds: [10, 11, 12], peakBytes: 1e6 };
  const ours = (milliseconds: number[], peakBytes = 50e6) => makeRow(subject, { coffer: { milliseconds, peakBytes }, reference });
  expect(ours([20, 22, 900])).toMatchObject({ result: "2.00 ×", met: true });
  expect(ours([20, 23, 24])).toMatchObject({ result: "2.09 ×", met: false });
  expect(ours([1, 1, 1], 151e6)).toMatchObject({ met: false });
  expect(makeRow({ ...subject, goal: { more: 5 } }, { coffer: { milliseconds: [16], peakBytes: 0 }, reference })).toMatchObject({
    result: "+5.0 ms",
    goal: "+5 ms",
    met: true,
  });
  expect(
    makeRow({ ...subject, goal: { most: 2000 }, memory: 200e6 }, { coffer: { milliseconds: [2100], peakBytes: 160e6 }, reference }),
  ).toMatchObject({
    result: "2.1 s",
    goal: "2 s",
    met: false,
  });
  expect(
    makeRow({ ...subject, goal: { most: 30 }, memory: 200e6 }, { coffer: { milliseconds: [29.96], peakBytes: 160e6 }, reference }),
  ).toMatchObject({
    result: "30 ms",
    goal: "30 ms",
    met: true,
  });
  expect(renderTable([ours([20, 22, 900])])).toContain(
    "| an example | 22.0 ms [20.0–900.0] | 11.0 ms [10.0–12.0] (another) | **2.00 ×** | 2 × | met | 50 MB |",
  );
});

test("everybody is measured in turn, after one round that does not count", async () => {
  const order: string[] = [];
  const note = (name: string) => ({ command: ["true"], before: () => void order.push(name) });
  const samples = await measure({ coffer: note("coffer"), reference: note("reference") }, 2);
  expect(order).toEqual(["reference", "coffer", "reference", "coffer", "reference", "coffer"]);
  expect(samples["coffer"]?.milliseconds).toHaveLength(2);
  expect(samples["reference"]?.peakBytes).toBeGreaterThan(0);
});

test("a program that fails is no measurement", async () => {
  const failing = { command: ["sh", "-c", "echo broken >&2; exit 7"] };
  await expect(measure({ coffer: failing, reference: { command: ["true"] } }, 1)).rejects.toThrow(/ended with 7: broken/);
});

test("the bench measures the start of the binary, and refuses a subject that it does not have", async () => {
  const bench = async (...words: string[]) => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../scripts/bench/main.ts"), ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { out: await child.stdout.text(), err: await child.stderr.text(), code: await child.exited };
  };
  expect((await bench("start", "--rounds", "1")).out).toMatch(/^\| coffer --version \| [\d.]+ ms/m);
  expect(await bench("stop")).toMatchObject({ code: 2, err: expect.stringContaining("no such subject: stop") });
});
