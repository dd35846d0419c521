import { linkSync, mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { lookAround } from "../../../../src/run/ahead/wrapper/look-around.ts";
import { temporaryRoot } from "../../../support/temporary-root.ts";
import { mountSmall, needsMount } from "../../../support/mount.ts";

const mounted = needsMount(test);
const goOn = async (): Promise<boolean> => true;

test("large files are found at any depth, and no link is followed", async () => {
  using root = temporaryRoot();
  using outside = temporaryRoot();
  mkdirSync(root.at("a/b"), { recursive: true });
  for (const [path, size] of [
    [root.at("large"), 100],
    [root.at("a/b/large"), 150],
    [root.at("a/small"), 99],
    [outside.at("large"), 1000],
  ] as const) {
    writeFileSync(path, "");
    truncateSync(path, size);
  }
  symlinkSync(outside.at("large"), root.at("link"));
  symlinkSync(outside.path, root.at("a/link"));
  linkSync(root.at("large"), root.at("second"));
  const seen = await lookAround(root.path, { atLeast: 100, rest: goOn });
  expect([...(seen?.large ?? [])].map(([path, { size }]) => [path, size]).toSorted()).toEqual([
    ["a/b/large", 150n],
    ["large", 100n],
    ["second", 100n],
  ]);
  expect(seen?.bytes).toBe(449);
});

test("a directory that is gone holds nothing", async () => {
  using root = temporaryRoot();
  expect(await lookAround(root.at("gone"), { atLeast: 0, rest: goOn })).toEqual({ large: new Map(), bytes: 0 });
});

test("after 4 ms of work comes a rest that is 49 times as long, and whoever is not wanted any more stops", async () => {
  using root = temporaryRoot();
  for (let nth = 0; nth < 10; nth++) writeFileSync(root.at(`${nth}`), "");
  const restsOf = async (step: number, goesOn: boolean) => {
    let time = 0;
    const rests: number[] = [];
    const rest = async (ms: number) => rests.push(ms) > 0 && goesOn;
    const seen = await lookAround(root.path, { atLeast: 0, rest, now: () => (time += step) });
    return { rests, files: seen?.large.size };
  };
  expect(await restsOf(0, true)).toEqual({ rests: [], files: 10 });
  // asked after each file, and the clock once more before the first; two times are 4 ms
  expect(await restsOf(2, true)).toEqual({ rests: Array(5).fill(4 * 49), files: 10 });
  expect(await restsOf(7, true)).toEqual({ rests: [14 * 49, ...Array(9).fill(7 * 49)], files: 10 });
  expect((await restsOf(60_000, true)).rests).toEqual(Array(10).fill(5_000));
  expect(await restsOf(7, false)).toEqual({ rests: [14 * 49], files: undefined });
});

test("a huge directory is not looked at, and what is beside it is", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("many"));
  for (let nth = 0; nth < 50; nth++) writeFileSync(root.at(`many/${`${nth}`.padStart(250, "0")}`), "x");
  writeFileSync(root.at("m"), "bytes");
  const { size } = statSync(root.at("many"));
  const bytes = async (huge: number) => (await lookAround(root.path, { atLeast: 0, rest: goOn, huge }))?.bytes;
  expect([await bytes(size), await bytes(size - 1)]).toEqual([55, 5]);
});

test("others have their turn while directories are read, and to wait for that is no work", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("a/b/c/d/e/f/g/h"), { recursive: true });
  let turns = 0;
  const count = (): void => void (turns++, (next = setImmediate(count)));
  let next = setImmediate(count);
  const rests: number[] = [];
  const rest = async (ms: number) => rests.push(ms) > 0;
  // a clock that goes on only while others have their turn
  await lookAround(root.path, { atLeast: 0, rest, now: () => turns * 1_000 });
  clearImmediate(next);
  expect([turns > 0, rests]).toEqual([true, []]);
});

mounted("another file system in it is not entered", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "1m");
  writeFileSync(root.at("disk/m"), "bytes");
  expect(await lookAround(root.path, { atLeast: 1, rest: goOn })).toEqual({ large: new Map(), bytes: 0 });
});
