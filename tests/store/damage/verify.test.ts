import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import * as damage from "../../../src/db/bytes/damage.ts";
import { checkedFile, locate, readTree } from "../../../src/store/read.ts";
import { sha256Of } from "../../../src/store/sha256.ts";
import { openStore } from "../../../src/store/store.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { writeOut } from "../../../src/store/bytes/write-out.ts";
import { loadSettings } from "../../../src/config/settings.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { contentOf } from "../directory.ts";

const all = { share: 1, random: Math.random };
const small = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, `small ${i}`]));
const row = (test: TestStore, blob: number | null) => blobs.bySeq(test.store.db, blob as number) as BlobRow;
const pathOf = (test: TestStore, blob: number | null) => locate(test.store, row(test, blob)).path;

test("a store in which all is well is whole, and every blob was read", async () => {
  using test = await openTestStore();
  await test.add({ bytes: Buffer.alloc(9 << 20, 1) });
  await test.add({ files: small(40) });
  await test.add({ bytes: "" });
  const found = await verify(test.store, all);
  expect(found).toMatchObject({ blobs: 43, damage: [] });
  expect(found.bytes).toBeGreaterThan(9 << 20);
});

test.each([
  ["changed", (path: string) => rewrite(path, (bytes) => (bytes[3] = 0))],
  ["short", (path: string) => (chmodSync(path, 0o644), truncateSync(path, 5))],
  ["changed", (path: string) => rewrite(path, (bytes) => Buffer.concat([bytes, bytes]))],
  ["missing", (path: string) => rmSync(path)],
  ["unreadable", (path: string) => (rmSync(path), symlinkSync(path, path))],
] as const)("verify finds one blob that is %s, names it, and reads on", async (what, damage) => {
  using test = await openTestStore();
  const [hurt] = [await test.add({ bytes: "hurt bytes" }), await test.add({ bytes: "other" })];
  damage(pathOf(test, hurt.blob));
  const found = await verify(test.store, all);
  expect([found.blobs, found.damage]).toEqual([
    2,
    [{ digest: hurt.digest, path: pathOf(test, hurt.blob), what, detail: expect.any(String), blob: hurt.blob as number }],
  ]);
});

test.each([
  ["a FIFO", (path: string) => Bun.spawnSync(["mkfifo", path])],
  ["a device", (path: string) => symlinkSync("/dev/zero", path)],
  ["a directory", (path: string) => mkdirSync(path)],
] as const)("verify does not wait for %s in the place of an empty file, a pack or any other", async (_, make) => {
  using test = await openTestStore();
  const [empty, single, tree] = [await test.add({ bytes: "" }), await test.add({ bytes: "single" }), await test.add({ files: small(40) })];
  for (const path of [empty, single, tree].map(({ blob }) => pathOf(test, blob))) {
    rmSync(path);
    make(path);
  }
  const { damage } = await verify(test.store, all);
  expect(damage.filter(({ what }) => what !== "pack").length).toBe(43);
  // nor does a reader
  await expect(checkedFile(test.store, row(test, empty.blob))).rejects.toThrow();
  await expect(sha256Of(test.store, single.blob as number)).rejects.toThrow();
  await expect(writeOut(test.store, contentOf(single), test.store.path("out"))).rejects.toThrow();
  await expect(readTree(test.store, tree.blob as number)).rejects.toThrow();
});

function rewrite(path: string, change: (bytes: Buffer) => unknown): void {
  const bytes = readFileSync(path);
  const changed = change(bytes);
  chmodSync(path, 0o644);
  writeFileSync(path, Buffer.isBuffer(changed) ? changed : bytes);
}

test("a flipped byte in a pack hurts just the member that it is in", async () => {
  using test = await openTestStore();
  const tree = await test.add({ files: small(40) });
  const { member } = test.store.db.query("SELECT member FROM tree_members WHERE tree = ? LIMIT 1 OFFSET 7").get(tree.blob as number) as {
    member: number;
  };
  rewrite(pathOf(test, member), (bytes) => (bytes[row(test, member).offset as number] = 0));
  expect((await verify(test.store, all)).damage.map(({ digest, what }) => [digest, what])).toEqual([
    [`blake3:${Buffer.from(row(test, member).blake3 as Uint8Array).toString("hex")}`, "changed"],
  ]);
});

test("a pack that was cut short hurts the members behind the cut", async () => {
  using test = await openTestStore();
  const tree = await test.add({ files: small(40) });
  const path = pathOf(test, tree.blob);
  chmodSync(path, 0o644);
  truncateSync(path, 20 * 1024 + 512);
  const found = await verify(test.store, all);
  expect(found.blobs).toBe(41);
  expect(new Set(found.damage.map(({ what }) => what))).toEqual(new Set(["short", "pack"]));
  // two blocks a member: 20 whole ones, and the header of the 21st
  expect(found.damage.filter(({ what }) => what === "short").length).toBe(21);
});

test("a directory whose member has no row is named, with the file", async () => {
  using test = await openTestStore();
  const tree = await test.add({ files: { a: "a", b: "b" } });
  test.store.db.run("DELETE FROM tree_members WHERE member = (SELECT min(member) FROM tree_members)");
  // each time
  for (let times = 0; times < 2; times++) {
    expect((await verify(test.store, all)).damage).toMatchObject([{ digest: tree.digest, what: "incomplete tree" }]);
    expect(damage.of(test.store.db, tree.blob as number)).toMatchObject([{ what: "incomplete tree" }]);
  }
});

test("a broken reference between rows is damage of the database", async () => {
  using test = await openTestStore();
  await test.add();
  using other = new Database(test.store.path("coffer.db"));
  other.run("PRAGMA foreign_keys = OFF");
  other.run("UPDATE artifacts SET run = 77");
  expect((await verify(test.store, all)).damage).toMatchObject([{ what: "database", detail: expect.stringContaining("artifacts") }]);
});

test("a sample reads as many as the dice say", async () => {
  using test = await openTestStore();
  await test.add({ files: small(50) });
  let asked = 0;
  const found = await verify(test.store, { share: 0.5, random: () => (asked++ % 2 === 0 ? 0.49 : 0.5) });
  expect([asked, found.blobs]).toEqual([51, 26]);
  // where they say none, one is read all the same
  expect((await verify(test.store, { share: 0.01, random: () => 0.99 })).blobs).toBe(1);
});

test("what is swept or moved to another place while verify reads is no damage", async () => {
  using test = await openTestStore();
  const artifacts = [];
  for (let i = 0; i < 3; i++) artifacts.push(await test.add({ bytes: Buffer.alloc(5 << 20, i) }));
  const [first, swept, moved] = artifacts.map((artifact) => artifact.blob);
  let begun = false;
  const found = await verify(test.store, {
    ...all,
    progress: () => {
      if (begun) return;
      begun = true;
      // another process, while the first blob was read
      using other = new Database(test.store.path("coffer.db"));
      rmSync(pathOf(test, swept as number));
      other.run("DELETE FROM artifacts WHERE blob = ?", [swept as number]);
      other.run("DELETE FROM blobs WHERE seq = ?", [swept as number]);
      renameSync(pathOf(test, moved as number), test.store.path("binaries/moved"));
      other.run("UPDATE blobs SET path = 'binaries/moved' WHERE seq = ?", [moved as number]);
    },
  });
  expect([first !== null, begun, found.damage]).toEqual([true, true, []]);
});

test("a store that was moved, or copied to another place, is whole there", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const [single, tree] = [await test.add({ bytes: "single", name: "single" }), await test.add({ files: small(40) })];
  cpSync(test.store.root, root.at("copy"), { recursive: true, preserveTimestamps: true });
  const settings = await loadSettings({ flags: { root: root.at("copy") }, env: {}, cwd: root.path });
  using copy = openStore(settings, { make: false, now: Date.now, say: () => undefined });
  expect((await verify(copy, all)).damage).toEqual([]);
  const there = locate(copy, blobs.bySeq(copy.db, single.blob as number) as BlobRow).path;
  expect([there.startsWith(root.at("copy")), lstatSync(there).ino === lstatSync(pathOf(test, single.blob)).ino]).toEqual([true, false]);
  expect(tree.size).toBeGreaterThan(0);
});
