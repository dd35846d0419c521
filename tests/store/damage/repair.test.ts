import { expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as damage from "../../../src/db/bytes/damage.ts";
import { backUp } from "../../../src/store/database/backup.ts";
import { readablePath } from "../../../src/store/cache/cache.ts";
import { readerLease } from "../../../src/store/lease.ts";
import { checkedFile } from "../../../src/store/read.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { ALL, below, dumpOf, inWorkspace, memberOf, mend, packsOf, pathOf, rewrite, rowOf, small } from "../damaged-store.ts";

const HURTS: Record<string, (path: string) => void> = {
  changed: (path) => rewrite(path, (bytes) => (bytes[3] = (bytes[3] as number) ^ 1)),
  short: (path) => (chmodSync(path, 0o644), truncateSync(path, 5)),
  longer: (path) => (chmodSync(path, 0o644), appendFileSync(path, "more")),
  missing: (path) => rmSync(path),
  "a directory": (path) => (rmSync(path), mkdirSync(join(path, "inside"), { recursive: true })),
  "a link to nothing": (path) => (rmSync(path), symlinkSync("/nowhere", path)),
};

for (const [what, hurt] of Object.entries(HURTS))
  test(`a file that is ${what} comes back at its own place from the workspace, and nothing else of the store changes`, async () => {
    using stored = await openTestStore();
    const artifact = await stored.add({ path: "deep/model.bin", bytes: "the model" });
    await stored.add({ bytes: "another" });
    inWorkspace(stored, artifact, { "deep/model.bin": "the model" });
    const before = await dumpOf(stored.store);
    const path = pathOf(stored, artifact.blob);
    const wasMissing = what === "missing";
    hurt(path);
    const { found, done, after } = await mend(stored);
    expect(found.damage.map(({ digest }) => digest)).toEqual([artifact.digest]);
    expect(done).toMatchObject({ damage: [], failed: [], repaired: [{ digest: artifact.digest, path, from: "workspace" }] });
    expect([done.aside.length, below(stored, "damaged").length > 0 || what === "a directory"]).toEqual([wasMissing ? 0 : 1, !wasMissing]);
    expect(after.damage).toEqual([]);
    expect(await dumpOf(stored.store)).toEqual(before);
    expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777, below(stored, "tmp")]).toEqual(["the model", 0o444, []]);
    expect(await checkedFile(stored.store, rowOf(stored, artifact.blob))).toBe(path);
  });

test("what was damaged is kept below damaged/, byte for byte", async () => {
  using stored = await openTestStore();
  const artifact = await stored.add({ path: "m", bytes: "the model" });
  inWorkspace(stored, artifact, { m: "the model" });
  const path = pathOf(stored, artifact.blob);
  writeFileSync((chmodSync(path, 0o644), path), "THE model");
  const { done } = await mend(stored);
  expect(readFileSync(done.aside[0] as string, "utf8")).toBe("THE model");
});

test("a workspace that has other bytes by now is no copy: what is lost stays named, and is kept from everybody", async () => {
  using stored = await openTestStore();
  const artifact = await stored.add({ path: "m", bytes: "the model" });
  inWorkspace(stored, artifact, { m: "THE MODEL" });
  rmSync(pathOf(stored, artifact.blob));
  const { done, after } = await mend(stored);
  expect([done.repaired, done.damage.map(({ what }) => what), after.damage.length]).toEqual([[], ["missing"], 1]);
  expect(damage.of(stored.store.db, artifact.blob as number)).toMatchObject([{ digest: artifact.digest, what: "missing" }]);
  expect(below(stored, "tmp")).toEqual([]);
});

const PLACES: Record<string, (stored: TestStore, good: string, directory: string) => void> = {
  "a file of another name below binaries/": ({ store }, good) => copyFileSync(good, store.path("binaries", "some-file")),
  "the trash of a sweep": ({ store }, good) => {
    mkdirSync(store.path("tmp", "0199-sweep"), { recursive: true });
    copyFileSync(good, store.path("tmp", "0199-sweep", "0"));
  },
  "what was set aside before": ({ store }, good) => {
    mkdirSync(store.path("damaged"), { recursive: true });
    copyFileSync(good, store.path("damaged", "by-mistake"));
  },
  "a directory that somebody names": (_, good, directory) => copyFileSync(good, join(directory, "any name")),
};

for (const [where, keep] of Object.entries(PLACES))
  test(`a copy is found as ${where}`, async () => {
    using stored = await openTestStore();
    using elsewhere = temporaryRoot();
    const artifact = await stored.add({ bytes: "the model" });
    await stored.add({ bytes: "the other" });
    const before = await dumpOf(stored.store);
    const good = elsewhere.at("good");
    copyFileSync(pathOf(stored, artifact.blob), good);
    mkdirSync(elsewhere.at("named"));
    writeFileSync(elsewhere.at("named", "of the same size"), "not model");
    keep(stored, good, elsewhere.at("named"));
    HURTS["changed"]?.(pathOf(stored, artifact.blob));
    const { done, after } = await mend(stored, { directories: [elsewhere.at("named")] });
    expect([done.repaired.length, done.damage, after.damage]).toEqual([1, [], []]);
    expect(done.repaired[0]?.from).toBe(where.startsWith("a directory") ? "directory" : "store");
    expect(await dumpOf(stored.store)).toEqual(before);
  });

test("a backup with bytes has every file, every pack and every list", async () => {
  using stored = await openTestStore();
  using elsewhere = temporaryRoot();
  const single = await stored.add({ bytes: "the model" });
  const tree = await stored.add({ files: small(40) });
  await backUp(stored.store, elsewhere.at("backup"), { withBytes: true, stop: () => false });
  const before = await dumpOf(stored.store, { places: false });
  rmSync(pathOf(stored, single.blob));
  rmSync(pathOf(stored, tree.blob));
  const { found, done, after } = await mend(stored, { directories: [elsewhere.at("backup")] });
  expect([found.damage.length, done.damage, after.damage]).toEqual([42, [], []]);
  expect(new Set(done.repaired.map(({ from }) => from))).toEqual(new Set(["directory"]));
  expect(await dumpOf(stored.store, { places: false })).toEqual(before);
});

test("the cache has copies of packed files, in directories too, and of lists", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: small(40), path: "d" });
  const content = { kind: "tree" as const, blob: tree.blob as number, mode: 0o755, size: tree.size, name: "d" };
  await readablePath(stored.store, content, readerLease(stored.store, undefined));
  const before = await dumpOf(stored.store, { places: false });
  rmSync(pathOf(stored, tree.blob));
  const { found, done, after } = await mend(stored);
  expect([found.damage.length, done.damage, after.damage, done.repaired.length]).toEqual([41, [], [], 41]);
  expect(new Set(done.repaired.map(({ from }) => from))).toEqual(new Set(["cache"]));
  expect(await dumpOf(stored.store, { places: false })).toEqual(before);
  expect(packsOf(stored)).toHaveLength(1);
});

test("the list of a directory is made anew from the directory, even where that has files that were left out", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: { a: "a", "b/c": "c" }, path: "d" });
  inWorkspace(stored, tree, { "d/a": "a", "d/b/c": "c", "d/.ignored": "i" });
  const before = await dumpOf(stored.store);
  rmSync(pathOf(stored, tree.blob));
  const { done, after } = await mend(stored);
  expect([done.repaired.map(({ from }) => from), done.damage, after.damage]).toEqual([["workspace"], [], []]);
  expect(await dumpOf(stored.store)).toEqual(before);
});

test("a file outside that a run read, and that has not changed since, is a copy", async () => {
  using stored = await openTestStore();
  using elsewhere = temporaryRoot();
  const artifact = await stored.add({ bytes: "raw data" });
  writeFileSync(elsewhere.at("raw.csv"), "raw data");
  const { seq } = stored.run();
  stored.store.db.run("INSERT INTO run_inputs (run, position, path, digest, size, how) VALUES (?, 0, ?, ?, 8, 'declared')", [
    seq,
    elsewhere.at("raw.csv"),
    artifact.digest,
  ]);
  rmSync(pathOf(stored, artifact.blob));
  const { done, after } = await mend(stored);
  expect([done.repaired.map(({ from, source }) => [from, source]), after.damage]).toEqual([[["input", elsewhere.at("raw.csv")]], []]);
});

test("a list is made anew from a directory of its name below one that somebody names", async () => {
  using stored = await openTestStore();
  using elsewhere = temporaryRoot();
  const tree = await stored.add({ files: { a: "a", "b/c": "c" }, path: "data" });
  mkdirSync(elsewhere.at("data/b"), { recursive: true });
  writeFileSync(elsewhere.at("data/a"), "a");
  writeFileSync(elsewhere.at("data/b/c"), "c");
  const before = await dumpOf(stored.store);
  rmSync(pathOf(stored, tree.blob));
  const { done, after } = await mend(stored, { directories: [elsewhere.path] });
  expect([done.repaired.map(({ from }) => from), after.damage]).toEqual([["directory"], []]);
  expect(await dumpOf(stored.store)).toEqual(before);
});

test("a file of a directory whose row is lost gets its bytes and its row", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: { a: "a", b: "b" }, path: "d" });
  inWorkspace(stored, tree, { "d/a": "a", "d/b": "b" });
  const member = memberOf(stored, tree, 0);
  const path = pathOf(stored, member.seq);
  stored.store.transaction(() => {
    stored.store.db.run("DELETE FROM tree_members WHERE member = ?", [member.seq]);
    stored.store.db.run("DELETE FROM blobs WHERE seq = ?", [member.seq]);
  });
  rmSync(path);
  const { found, done, after } = await mend(stored);
  expect(found.damage.map(({ what }) => what)).toEqual(["incomplete tree"]);
  expect([done.repaired.map(({ from }) => from), after.damage]).toEqual([["workspace"], []]);
});

test("where the rows themselves are damaged nothing is repaired", async () => {
  using stored = await openTestStore();
  const artifact = await stored.add({ path: "m", bytes: "the model" });
  inWorkspace(stored, artifact, { m: "the model" });
  rmSync(pathOf(stored, artifact.blob));
  stored.store.db.run("UPDATE artifacts SET digest = 'blake3:00' WHERE seq = ?", [artifact.seq]);
  const { found, done } = await mend(stored);
  expect(found.damage.map(({ what }) => what).toSorted()).toEqual(["database", "missing"]);
  expect([done.repaired, done.damage.length, below(stored, "tmp")]).toEqual([[], 2, []]);
});

test("a file that others may write to is made read-only, and one that was replaced by the same bytes counts as hashed", async () => {
  using stored = await openTestStore();
  const [open, replaced] = [await stored.add({ bytes: "open" }), await stored.add({ bytes: "replaced" })];
  chmodSync(pathOf(stored, open.blob), 0o664);
  const path = pathOf(stored, replaced.blob);
  copyFileSync(path, `${path}.new`);
  renameSync(`${path}.new`, path);
  const { found, done, after } = await mend(stored);
  expect(found.touched.map(({ what }) => what).toSorted()).toEqual(["replaced", "writable"]);
  expect([found.damage, done.closed, after.touched]).toEqual([[], [pathOf(stored, open.blob)], []]);
  expect(statSync(pathOf(stored, open.blob)).mode & 0o777).toBe(0o444);
});

test("imported bytes that are gone from where they lay come into the store", async () => {
  using stored = await openTestStore();
  using elsewhere = temporaryRoot();
  const artifact = await stored.add({ bytes: "theirs" });
  writeFileSync(elsewhere.at("theirs"), "theirs");
  const own = pathOf(stored, artifact.blob);
  const sha256 = new Bun.CryptoHasher("sha256").update("theirs").digest();
  stored.store.db.run(
    "UPDATE blobs SET place = 'foreign', state = 'unverified', blake3 = NULL, sha256 = ?, path = ?, mtime_ns = NULL WHERE seq = ?",
    [sha256, elsewhere.at("gone"), artifact.blob as number],
  );
  stored.store.db.run("UPDATE artifacts SET digest = ? WHERE seq = ?", [`sha256:${sha256.toString("hex")}`, artifact.seq]);
  rmSync(own);
  const { found, done, after } = await mend(stored, { directories: [elsewhere.path] });
  expect([found.damage.map(({ what }) => what), done.damage, after.damage]).toEqual([["missing"], [], []]);
  expect(rowOf(stored, artifact.blob)).toMatchObject({ place: "file", state: "live" });
  expect(stored.again(artifact).digest).toBe(artifact.digest);
});

test("a repair that is stopped leaves what it did, and the next one goes on", async () => {
  using stored = await openTestStore();
  const artifacts = [];
  for (let i = 0; i < 6; i++) {
    const artifact = await stored.add({ path: "m", bytes: `model ${i}` });
    inWorkspace(stored, artifact, { m: `model ${i}` });
    artifacts.push(artifact);
  }
  const before = await dumpOf(stored.store);
  for (const { blob } of artifacts) HURTS["changed"]?.(pathOf(stored, blob));
  let asked = 0;
  const first = await mend(stored, { stop: () => ++asked > 6 });
  expect([first.done.interrupted, first.done.repaired.length > 0, first.after.damage.length > 0]).toEqual([true, true, true]);
  const second = await mend(stored);
  expect([second.done.damage, second.after.damage]).toEqual([[], []]);
  expect(await dumpOf(stored.store)).toEqual(before);
});

test("a crash between the rename and the row leaves good bytes, which the next verify takes as they are", async () => {
  using stored = await openTestStore();
  const artifact = await stored.add({ bytes: "the model" });
  const path = pathOf(stored, artifact.blob);
  const before = await dumpOf(stored.store);
  HURTS["changed"]?.(path);
  await verify(stored.store, ALL);
  // what `putBack` does to the files, and no commit
  mkdirSync(stored.store.path("damaged"));
  linkSync(path, stored.store.path("damaged", "x"));
  writeFileSync(stored.store.path("good"), "the model", { mode: 0o444 });
  renameSync(stored.store.path("good"), path);
  const found = await verify(stored.store, ALL);
  expect([found.damage, found.touched.map(({ what }) => what), damage.all(stored.store.db).size]).toEqual([[], ["replaced"], 0]);
  expect(await dumpOf(stored.store)).toEqual(before);
});
