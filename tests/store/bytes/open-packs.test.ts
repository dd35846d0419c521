import { linkSync, readdirSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { OpenPacks } from "../../../src/store/bytes/open-packs.ts";
import { blobRow, locate } from "../../../src/store/read.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import type { TestStore } from "../../support/store.ts";
import { withPacked } from "../packed.ts";

let packed: TestStore;
let rows: BlobRow[];
beforeEach(async () => {
  const { test: store, files } = await withPacked(400);
  packed = store;
  rows = files.map(({ blob }) => blobRow(packed.store, blob as number)).toSorted((a, b) => (a.offset as number) - (b.offset as number));
});
afterEach(() => packed[Symbol.dispose]());

const glance = (packs: OpenPacks, { pack, offset, size }: BlobRow) => packs.glance(pack as number, offset as number, size)?.toString();

test("a glance shows what a read does, in whatever order it is asked for", () => {
  using packs = new OpenPacks(packed.store);
  const expected = new Map(rows.map((row) => [row, packs.read(row).bytes.toString()]));
  const apart = rows.toSorted((a, b) => (a.seq % 7) - (b.seq % 7));
  for (const row of [...rows, ...rows.toReversed(), ...apart, ...rows]) expect(glance(packs, row)).toBe(expected.get(row));
});

test("nothing is shown of a pack that nobody has opened, of what is large, and of what lies behind the end", () => {
  using packs = new OpenPacks(packed.store);
  const [first] = rows as [BlobRow];
  expect(glance(packs, first)).toBeUndefined();
  packs.read(first);
  expect(glance(packs, first)).toStartWith("packed ");
  expect(glance(packs, { ...first, size: 1 << 20 })).toBeUndefined();
  expect(glance(packs, { ...first, offset: 1 << 30 })).toBeUndefined();
  expect(glance(packs, first)).toStartWith("packed ");
});

test("of more packs than a process may have open each is read, and a few are open at a time", () => {
  const { store } = packed;
  const [row, next] = rows as [BlobRow, BlobRow];
  const { path } = locate(store, row);
  const copies = Array.from({ length: 3 * OpenPacks.MOST }, (_, nth): BlobRow => {
    linkSync(path, `${path}.${nth}`);
    const insert = store.db.query(
      `INSERT INTO packs (id, path, dataset, size, mtime_ns, ctime_ns, inode, created_at)
       SELECT 'copy ' || ?1, path || '.' || ?1, dataset, size, mtime_ns, ctime_ns, inode, created_at FROM packs WHERE seq = ?2`,
    );
    return { ...(nth % 2 === 0 ? row : next), pack: Number(insert.run(nth, row.pack).lastInsertRowid) };
  });
  using packs = new OpenPacks(store);
  const [first, second] = [row, next].map((one) => packs.read(one).bytes.toString());
  const before = openFiles();
  for (const copy of [...copies, ...copies.toReversed()]) {
    const expected = copy.seq === row.seq ? first : second;
    expect(packs.read(copy).bytes.toString()).toBe(expected as string);
    expect(glance(packs, copy)).toBe(expected as string);
  }
  expect(openFiles()).toBeLessThanOrEqual(before + OpenPacks.MOST);
  // closed meanwhile
  expect(glance(packs, row)).toBeUndefined();
  expect(packs.read(row).bytes.toString()).toBe(first as string);
  expect(glance(packs, row)).toBe(first as string);
});

/** As many as there may be where nothing tells. */
const openFiles = (): number => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);
