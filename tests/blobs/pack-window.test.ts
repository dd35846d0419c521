import { afterEach, beforeEach, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { PackWindow } from "../../src/blobs/pack-window.ts";
import { PackWriter } from "../../src/blobs/pack.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

let root: TemporaryRoot;
beforeEach(() => void (root = temporaryRoot()));
afterEach(() => root[Symbol.dispose]());

const SIZES = [10, 0, 3 << 20, 700, 5 << 20, 2 << 20, 1];

async function write(): Promise<{ path: string; members: { offset: number; bytes: Buffer }[] }> {
  const path = root.at("pack.tar");
  const writer = new PackWriter(path);
  const members = SIZES.map((size, nth) => {
    const bytes = Buffer.alloc(size, nth + 1);
    return { bytes, offset: writer.add(String(nth).padStart(64, "0"), bytes) };
  });
  await writer.finish();
  return { path, members };
}

test("members come as they were written, small and large, in any order", async () => {
  const { path, members } = await write();
  using window = new PackWindow(path);
  for (const { offset, bytes } of [...members, ...members.toReversed()]) expect(window.read(offset, bytes.length).equals(bytes)).toBe(true);
});

test("a member behind the end of a pack that is cut short is refused, those before it are read", async () => {
  const { path, members } = await write();
  const [first, , third] = members as [(typeof members)[0], (typeof members)[0], (typeof members)[0]];
  truncateSync(path, third.offset + 100);
  using window = new PackWindow(path);
  expect(window.read(first.offset, first.bytes.length).equals(first.bytes)).toBe(true);
  expect(() => window.read(third.offset, third.bytes.length)).toThrow("is cut short");
});
