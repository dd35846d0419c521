import { expect, spyOn, test } from "bun:test";
import { appendFileSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sourceStamp } from "../../../src/blobs/source-stamp.ts";
import type { SourceStamp } from "../../../src/blobs/source-stamp.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import { loadBlake3 } from "../../../src/blobs/blake3.ts";
import type { AheadFile, AheadFiles } from "../../../src/store/ingest/ahead-files.ts";
import { locate } from "../../../src/store/read.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { countOf, keep } from "../keep.ts";

const BYTES = Buffer.alloc(200_000, 4);
/** No bytes have it: what gets this digest was not read. */
const UNREAD = "ab".repeat(32);
const digestOf = async (bytes: Uint8Array) => (await loadBlake3()).hash(bytes).toString("hex");

function ahead(path: string, more: Partial<AheadFile> & { stamp?: SourceStamp } = {}): AheadFiles {
  const file: AheadFile = { stamp: sourceStamp(lstatSync(path, { bigint: true })), hex: UNREAD, flushed: true, ...more };
  return { of: (absolute) => (absolute === path ? file : undefined) };
}

function kept(test: TestStore, blob: number | null): { hex: string; path: string } {
  const row = blobs.bySeq(test.store.db, blob as number) as BlobRow;
  return { hex: Buffer.from(row.blake3 as Uint8Array).toString("hex"), path: locate(test.store, row).path };
}

test("a file that was read ahead and moves in is not read again", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), BYTES);
  const { ino } = lstatSync(root.at("f"));
  const { result, moved } = await keep(test, [{ source: root.at("f"), move: true }], { ahead: ahead(root.at("f")) });
  const { hex, path } = kept(test, result[0]?.blob as number);
  expect([hex, lstatSync(path).ino, moved.length]).toEqual([UNREAD, ino, 1]);
});

test("a copy that was made ahead becomes the blob, in a directory too, and nothing is read again", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  for (let i = 0; i < 40; i++) writeFileSync(root.at("d", `${i}`), `small ${i}`);
  writeFileSync(root.at("d/f"), BYTES);
  const staged = test.store.path("tmp/ahead-1");
  mkdirSync(test.store.path("tmp"), { recursive: true });
  writeFileSync(staged, BYTES, { mode: 0o444 });
  const { ino } = lstatSync(staged);
  const { result } = await keep(test, [{ source: root.at("d"), kind: "tree" }], { ahead: ahead(root.at("d/f"), { staged }) });
  const file = blobs.byDigest(test.store.db, { algorithm: "blake3", hex: UNREAD }) as BlobRow;
  expect([result[0]?.files, file.inode, existsSync(staged), existsSync(root.at("d/f"))]).toEqual([41, BigInt(ino), false, true]);
});

test.each(["size", "mtime_ns", "ctime_ns", "inode", "device"] as const)(
  "a file whose %s is not what it was when it was read ahead is read",
  async (field) => {
    using test = await openTestStore();
    using root = temporaryRoot();
    writeFileSync(root.at("f"), BYTES);
    const stamp = sourceStamp(lstatSync(root.at("f"), { bigint: true }));
    const files = ahead(root.at("f"), { stamp: { ...stamp, [field]: stamp[field] + 1n } });
    const { result } = await keep(test, [{ source: root.at("f"), move: true }], { ahead: files });
    expect(kept(test, result[0]?.blob as number).hex).toBe(await digestOf(BYTES));
  },
);

test.each([
  ["somebody has open for writing", () => undefined, true],
  ["has a second name", (path: string) => linkSync(path, `${path}-too`), false],
])("a file that was read ahead and that %s is copied, and its copy hashed", async (_, prepare, isOpen) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), BYTES);
  prepare(root.at("f"));
  const { result, moved } = await keep(test, [{ source: root.at("f"), move: true }], {
    ahead: ahead(root.at("f")),
    openElsewhere: () => isOpen,
  });
  expect([kept(test, result[0]?.blob as number).hex, moved]).toEqual([await digestOf(BYTES), []]);
});

test("a file that was read ahead and is written to while it moves in is read", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), BYTES);
  let wrote = false;
  const { result } = await keep(test, [{ source: root.at("f"), move: true }], {
    ahead: ahead(root.at("f")),
    openElsewhere() {
      if (!wrote) appendFileSync(root.at("f"), "more");
      wrote = true;
      return false;
    },
  });
  expect(kept(test, result[0]?.blob as number).hex).toBe(await digestOf(Buffer.concat([BYTES, Buffer.from("more")])));
});

test.each([
  ["is gone", (path: string) => rmSync(path)],
  ["is cut short", (path: string) => writeFileSync(path, "short")],
  ["has a second name", (path: string) => linkSync(path, `${path}-too`)],
])("a copy made ahead that %s is not used", async (_, hurt) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), BYTES);
  const staged = join(root.path, "staged");
  writeFileSync(staged, BYTES);
  hurt(staged);
  const { result } = await keep(test, [{ source: root.at("f") }], { ahead: ahead(root.at("f"), { staged }) });
  const { hex, path } = kept(test, result[0]?.blob as number);
  expect([hex, readFileSync(path).equals(BYTES)]).toEqual([await digestOf(BYTES), true]);
});

test("what was read ahead and is in the store already is neither read nor moved", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const first = await test.add({ bytes: BYTES });
  writeFileSync(root.at("f"), Buffer.alloc(BYTES.length, 9));
  utimesSync(root.at("f"), 5, 5);
  const files = ahead(root.at("f"), { hex: await digestOf(BYTES) });
  const { result, added, moved } = await keep(test, [{ source: root.at("f"), move: true }], { ahead: files });
  expect([result[0]?.blob, added.blobs, moved, countOf(test, "blobs")]).toEqual([first.blob, 0, [], 1]);
});

test("a file whose copy was given up is copied and hashed once, although the store has a file of its size", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  await test.add({ bytes: Buffer.alloc(200_000, 5) });
  writeFileSync(root.at("f"), BYTES);
  const blake3 = await loadBlake3();
  const hex = await digestOf(BYTES);
  using hashers = spyOn(blake3, "hasher");
  const { result } = await keep(test, [{ source: root.at("f") }], { ahead: ahead(root.at("f"), { hex, flushed: false }) });
  expect([kept(test, result[0]?.blob as number).hex, hashers.mock.calls.length]).toEqual([hex, 1]);
});
