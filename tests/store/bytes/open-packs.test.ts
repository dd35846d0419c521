import { afterEach, beforeEach, expect, test } from "bun:test";
import { OpenPacks } from "../../../src/store/bytes/open-packs.ts";
import { blobRow } from "../../../src/store/read.ts";
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
