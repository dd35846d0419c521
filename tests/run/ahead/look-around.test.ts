import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { lookAround } from "../../../src/run/ahead/look-around.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { mountSmall, needsMount } from "../../support/mount.ts";

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

test("a directory that is gone holds nothing, and whoever is not wanted any more stops", async () => {
  using root = temporaryRoot();
  expect(await lookAround(root.at("gone"), { atLeast: 0, rest: goOn })).toEqual({ large: new Map(), bytes: 0 });
  for (let nth = 0; nth < 3000; nth++) writeFileSync(root.at(`${nth}`), "");
  expect((await lookAround(root.path, { atLeast: 1, rest: goOn }))?.large.size).toBe(0);
  let rests = 0;
  expect(await lookAround(root.path, { atLeast: 0, rest: async () => rests++ < 0 })).toBeUndefined();
  expect(rests).toBe(1);
});

mounted("another file system in it is not entered", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "1m");
  writeFileSync(root.at("disk/m"), "bytes");
  expect(await lookAround(root.path, { atLeast: 1, rest: goOn })).toEqual({ large: new Map(), bytes: 0 });
});
