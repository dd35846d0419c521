import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { distinctNames, writeTogether } from "../../../src/store/bytes/write-together.ts";
import { openTestStore } from "../../support/store.ts";

test.each([
  [
    ["a", "b"],
    ["a", "b"],
  ],
  [
    ["m.bin", "m.bin", "M.bin", "m-2.bin"],
    ["m.bin", "m-2.bin", "M-3.bin", "m-2-2.bin"],
  ],
  [
    [".env", ".env", "d", "d"],
    [".env", ".env-2", "d", "d-2"],
  ],
])("%j get the names %j", (names, distinct) => {
  expect(distinctNames(names)).toEqual(distinct);
});

const content = ({ kind, blob, mode, path }: ArtifactRow) => ({ kind, blob: blob as number, mode, name: path });

test("several are written into a new directory, or into an empty one", async () => {
  using test = await openTestStore();
  const contents = [content(await test.add({ path: "x", bytes: "one" })), content(await test.add({ path: "x", bytes: "two" }))];
  const base = dirname(test.store.root);
  mkdirSync(join(base, "empty"));
  for (const target of ["new/deep", "empty"]) {
    const paths = await writeTogether(test.store, contents, join(base, target));
    expect(paths.map((path) => [path, readFileSync(path, "utf8")])).toEqual([
      [join(base, target, "x"), "one"],
      [join(base, target, "x-2"), "two"],
    ]);
  }
  mkdirSync(join(base, "full"));
  writeFileSync(join(base, "full/mine"), "");
  writeFileSync(join(base, "file"), "");
  for (const target of ["full", "file"])
    await expect(writeTogether(test.store, contents, join(base, target))).rejects.toMatchObject({ code: "PROTECTED" });
  expect(readdirSync(join(base, "full"))).toEqual(["mine"]);
});

test("where one of them is damaged, nothing is left", async () => {
  using test = await openTestStore();
  const [good, bad] = [await test.add({ path: "good" }), await test.add({ path: "bad" })];
  const { place, path } = blobs.bySeq(test.store.db, bad.blob as number) as BlobRow;
  expect(place).toBe("file");
  const file = test.store.path(path as string);
  chmodSync(file, 0o644);
  writeFileSync(file, "damaged");
  const target = join(dirname(test.store.root), "out");
  await expect(writeTogether(test.store, [good, bad].map(content), target)).rejects.toMatchObject({ code: "CORRUPT" });
  expect([existsSync(target), readdirSync(dirname(target)).filter((name) => name.endsWith(".tmp"))]).toEqual([false, []]);
});

test("names stay as short as a file system wants them", () => {
  const name = `${"é".repeat(125)}.json`;
  for (const distinct of distinctNames(Array.from({ length: 12 }, () => name))) {
    expect(Buffer.byteLength(distinct)).toBeLessThanOrEqual(255);
    expect(distinct).toEndWith(".json");
  }
});
