import { chmodSync, lstatSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import * as blobs from "../../src/db/bytes/blobs.ts";
import { stampOf } from "../../src/store/bytes/stamp.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { openTestStore } from "../support/store.ts";
import { ALL, memberOf, pathOf, rewrite, small } from "./damaged-store.ts";

const LARGE = Buffer.alloc(400_000, 9);

const HURTS: Record<string, (path: string) => void> = {
  missing: (path) => rmSync(path),
  short: (path) => (chmodSync(path, 0o644), truncateSync(path, 3)),
  changed: (path) => rewrite(path, (bytes) => (bytes[1] = (bytes[1] as number) ^ 1)),
  "changed, with the times of before": (path) => {
    const { atime, mtime } = lstatSync(path);
    rewrite(path, (bytes) => (bytes[1] = (bytes[1] as number) ^ 1));
    utimesSync(path, atime, mtime);
  },
};

for (const [what, hurt] of Object.entries(HURTS))
  for (const [size, bytes] of [
    ["small", "the model"],
    ["large", LARGE],
  ] as const)
    test(`logging the same bytes again mends a ${size} file that is ${what}`, async () => {
      using stored = await openTestStore();
      const first = await stored.add({ bytes });
      hurt(pathOf(stored, first.blob));
      const again = await stored.add({ bytes });
      expect(again.blob).toBe(first.blob);
      expect(readFileSync(pathOf(stored, first.blob)).equals(Buffer.from(bytes))).toBe(true);
      expect((await verify(stored.store, ALL)).damage).toEqual([]);
    });

for (const [what, hurt] of Object.entries(HURTS))
  test(`logging the same directory again mends a pack that is ${what}`, async () => {
    using stored = await openTestStore();
    const first = await stored.add({ files: small(40) });
    hurt(pathOf(stored, first.blob));
    const again = await stored.add({ files: small(40) });
    expect([again.blob, (await verify(stored.store, ALL)).damage.filter(({ what }) => what !== "pack")]).toEqual([first.blob, []]);
  });

test("damage that left no trace on the file is mended once verify has found it, in files and in packs", async () => {
  using stored = await openTestStore();
  const [single, tree] = [await stored.add({ bytes: LARGE }), await stored.add({ files: small(40) })];
  const member = memberOf(stored, tree, 5);
  const path = pathOf(stored, single.blob);
  rewrite(path, (bytes) => (bytes[7] = 0));
  rewrite(pathOf(stored, member.seq), (bytes) => (bytes[member.offset as number] = 0));
  stored.store.transaction(() => {
    blobs.restamp(stored.store.db, single.blob as number, stampOf(lstatSync(path, { bigint: true })));
    const { mtimeNs, ctimeNs, ino } = lstatSync(pathOf(stored, member.seq), { bigint: true });
    stored.store.db.run("UPDATE packs SET mtime_ns = ?, ctime_ns = ?, inode = ?", [mtimeNs, ctimeNs, ino]);
  });
  expect((await verify(stored.store, ALL)).damage).toHaveLength(2);
  await stored.add({ bytes: LARGE });
  await stored.add({ files: small(40) });
  expect((await verify(stored.store, ALL)).damage).toEqual([]);
});

test("a file that is whole and was only touched is believed after it was hashed, and not written again", async () => {
  using stored = await openTestStore();
  const first = await stored.add({ bytes: LARGE });
  const path = pathOf(stored, first.blob);
  const { ino } = lstatSync(path);
  writeFileSync((chmodSync(path, 0o644), path), LARGE);
  await stored.add({ bytes: LARGE });
  expect([pathOf(stored, first.blob), lstatSync(path).ino]).toEqual([path, ino]);
});
