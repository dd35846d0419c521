import { closeSync, existsSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { loadBlake3 } from "../../src/blobs/blake3.ts";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as blobs from "../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../src/db/bytes/blobs.ts";
import * as foreign from "../../src/db/bytes/foreign-blobs.ts";
import { readablePath } from "../../src/store/cache/cache.ts";
import { readerLease } from "../../src/store/lease.ts";
import { readChecked, readRow } from "../../src/store/read.ts";
import { sha256Of } from "../../src/store/sha256.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { writeOut } from "../../src/store/bytes/write-out.ts";
import { storedSource } from "../../src/sync/files/stored-source.ts";
import { foreignTree, sha256, UID } from "../manifest/foreign-tree.ts";
import type { ForeignTree } from "../manifest/foreign-tree.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const ID = "0001_pls:0:all";
const NAME = "0001_pls-0-all.joblib";

interface Imported extends Disposable {
  test: TestStore;
  tree: ForeignTree;
  row(): ArtifactRow;
  blob(): BlobRow;
  get(): Promise<string>;
}

/** A store that has taken over one record. */
async function imported(): Promise<Imported> {
  const test = await openTestStore();
  const tree = foreignTree();
  tree.write([{ artifact_id: ID }]);
  await tree.import(test);
  const row = (): ArtifactRow => artifacts.latestOfId(test.store.db, ID) as ArtifactRow;
  return {
    test,
    tree,
    row,
    blob: () => blobs.bySeq(test.store.db, row().blob as number) as BlobRow,
    get: () => {
      const { blob, kind, mode, size } = row();
      return readablePath(test.store, { blob: blob as number, kind, mode, size, name: NAME }, readerLease(test.store, undefined));
    },
    [Symbol.dispose]() {
      test[Symbol.dispose]();
      tree[Symbol.dispose]();
    },
  };
}

test("the first reader gets the file where it lies, once it has been read and is what it should be", async () => {
  using place = await imported();
  expect(await place.get()).toBe(place.tree.file(NAME));
  expect(place.blob()).toMatchObject({ state: "live", place: "foreign", size: 21 });
  expect(place.blob().mtime_ns).not.toBeNull();
  expect(place.row().digest).toBe(`blake3:${Buffer.from(place.blob().blake3 as Uint8Array).toString("hex")}`);
  // afterwards a look at the stamp tells
  expect(await place.get()).toBe(place.tree.file(NAME));
});

test.each([
  ["changed", (path: string) => writeFileSync(path, "x".repeat(21)), /are not those of sha256:/],
  ["gone", (path: string) => rmSync(path), /is gone \(sha256:/],
  [
    "a link now",
    (path: string) => {
      rmSync(path);
      symlinkSync("/etc/passwd", path);
    },
    /cannot be read: ELOOP/,
  ],
])("bytes that are %s are never handed out, and stay unverified", async (_, change, words) => {
  using place = await imported();
  const { store } = place.test;
  change(place.tree.file(NAME));
  const fails = expect.stringMatching(words) as unknown as string;
  await expect(place.get()).rejects.toMatchObject({ message: fails });
  const { blob, kind, mode, digest } = place.row();
  await expect(writeOut(store, { blob: blob as number, kind, mode }, store.path("out"))).rejects.toMatchObject({ message: fails });
  await expect(storedSource(store, { algorithm: "sha256", hex: digest.slice(7) })).rejects.toMatchObject({ message: fails });
  expect(existsSync(store.path("out"))).toBe(false);
  expect(place.blob().state).toBe("unverified");
});

test("a change after the first use is found by the next", async () => {
  using place = await imported();
  await place.get();
  writeFileSync(place.tree.file(NAME), "y".repeat(21));
  await expect(place.get()).rejects.toMatchObject({ code: "CORRUPT" });
  expect((await verify(place.test.store, { share: 1, random: Math.random })).damage).toMatchObject([{ what: "changed" }]);
});

test("what is written out, and what is sent, is hashed on the way", async () => {
  using place = await imported();
  const { store } = place.test;
  const { source } = await storedSource(store, { algorithm: "sha256", hex: place.row().digest.slice(7) });
  // without a path it is copied, never linked: somebody else may write to that file
  expect([source.size, source.path]).toEqual([21, undefined]);
  const { fd } = source.open();
  closeSync(fd);
  const { blob, kind, mode } = place.row();
  await writeOut(store, { blob: blob as number, kind, mode }, store.path("out"));
  expect(readFileSync(store.path("out"), "utf8")).toBe(NAME);
});

test("verify reads what nobody had read, says how much that was, and names what is not there", async () => {
  using place = await imported();
  const { store } = place.test;
  expect(await verify(store, { share: 1, random: Math.random })).toMatchObject({ blobs: 1, bytes: 21, unverified: 1, damage: [] });
  expect(place.blob().state).toBe("live");
  expect(await verify(store, { share: 1, random: Math.random })).toMatchObject({ blobs: 1, unverified: 0, damage: [] });
  place.tree.write([{ artifact_id: "0001_pls:1:all" }, { artifact_id: "0001_pls:2:all" }], {
    uid: "5b975cbc-0f73-4481-b99a-0c793bbe19bf",
    bytes: { "0001_pls-1-all.joblib": null, "0001_pls-2-all.joblib": null },
  });
  writeFileSync(place.tree.file("0001_pls-2-all.joblib"), "z".repeat(21));
  await place.tree.import(place.test);
  const { unverified, damage } = await verify(store, { share: 1, random: Math.random });
  expect([unverified, damage.map(({ what }) => what).toSorted()]).toEqual([2, ["changed", "missing"]]);
});

test("where the store has the same bytes already, the record moves over at its first use, and the file elsewhere stays", async () => {
  using place = await imported();
  const own = await place.test.add({ name: "own", bytes: NAME });
  // joined when the bytes came in
  expect(place.row().blob).toBe(own.blob);

  const other = await place.test.add({ name: "other", bytes: "0001_pls-1-all.joblib" });
  place.tree.write([{ artifact_id: "0001_pls:1:all" }], { uid: "5b975cbc-0f73-4481-b99a-0c793bbe19bf" });
  await place.tree.import(place.test);
  const late = artifacts.latestOfId(place.test.store.db, "0001_pls:1:all") as ArtifactRow;
  expect(late.blob).not.toBe(other.blob);
  const row = await readRow(place.test.store, late.blob as number);
  expect(row.seq).toBe(other.blob as number);
  expect(artifacts.bySeq(place.test.store.db, late.seq)).toMatchObject({ blob: other.blob, digest: other.digest });
  expect(Buffer.from(row.sha256 as Uint8Array).toString("hex")).toBe(sha256("0001_pls-1-all.joblib"));
  expect(blobs.bySeq(place.test.store.db, late.blob as number)).toBeNull();
  expect(lstatSync(place.tree.file("0001_pls-1-all.joblib")).isFile()).toBe(true);
});

test("the same bytes logged later make the record's bytes the store's own, read or not, one file or packed", async () => {
  for (const isRead of [false, true])
    for (const isPacked of [false, true]) {
      using place = await imported();
      if (isRead) await place.get();
      const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, index === 0 ? NAME : `${index}`]));
      await place.test.add(isPacked ? { files: many } : { bytes: NAME });
      expect(place.blob()).toMatchObject({ state: "live", place: isPacked ? "pack" : "file" });
      expect(place.row().digest).toStartWith("blake3:");
      rmSync(place.tree.file(NAME));
      expect(readFileSync(await place.get(), "utf8")).toBe(NAME);
    }
});

test("SHA-256 is computed once and kept: of a file, of a packed one, of a directory's list", async () => {
  using test = await openTestStore();
  const file = await test.add({ bytes: "abc" });
  expect(await sha256Of(test.store, file.blob as number)).toBe(sha256("abc"));
  expect(blobs.bySeq(test.store.db, file.blob as number)?.sha256).not.toBeNull();
  const tree = await test.add({ files: Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, `${index}`])) });
  expect(await sha256Of(test.store, tree.blob as number)).toMatch(/^[0-9a-f]{64}$/);
  const { seq } = test.store.db.query("SELECT seq FROM blobs WHERE place = 'pack' AND size = 1 LIMIT 1").get() as { seq: number };
  const packed = blobs.bySeq(test.store.db, seq) as BlobRow;
  expect(await sha256Of(test.store, seq)).toBe(sha256((await readChecked(test.store, packed)).toString()));
  const row = blobs.bySeq(test.store.db, (await test.add({ bytes: "right" })).blob as number) as BlobRow;
  const path = test.store.path(row.path as string);
  rmSync(path);
  writeFileSync(path, "wrong");
  await expect(sha256Of(test.store, row.seq)).rejects.toMatchObject({ code: "CORRUPT" });
});

test("a record that a sweep condemned and somebody wants again is as unread as before", async () => {
  using place = await imported();
  const { store } = place.test;
  const seq = place.blob().seq;
  store.db.query("UPDATE blobs SET state = 'condemned', condemned_at = 1 WHERE seq = ?").run(seq);
  blobs.revive(store.db, seq);
  expect(place.blob().state).toBe("unverified");
  expect(foreign.all(store.db)).toEqual([seq]);
});

const A = "0001_pls:0:all";
const B = "0001_pls:1:all";
const OTHER = UID.replace(/^4/, "5");
const blake3Of = async (text: string): Promise<string> => `blake3:${(await loadBlake3()).hash(Buffer.from(text)).toString("hex")}`;

/** The same bytes in two files, which one manifest names by BLAKE3 (A) and another by SHA-256 (B). */
async function twins(gone: string[] = []): Promise<Disposable & { test: TestStore; tree: ForeignTree; get(id: string): Promise<string> }> {
  const test = await openTestStore();
  const tree = foreignTree();
  const bytes = { a: "same", b: "same" };
  tree.write([{ artifact_id: A, path: "a", content_hash: await blake3Of("same") }], { bytes });
  tree.write([{ artifact_id: B, path: "b" }], { uid: OTHER, pipeline: "0002", bytes });
  for (const name of gone) rmSync(tree.file(name));
  await tree.import(test);
  return {
    test,
    tree,
    get(id) {
      const { blob, kind, mode, size } = artifacts.latestOfId(test.store.db, id) as ArtifactRow;
      return readablePath(test.store, { blob: blob as number, kind, mode, size, name: id }, readerLease(test.store, undefined));
    },
    [Symbol.dispose]() {
      test[Symbol.dispose]();
      tree[Symbol.dispose]();
    },
  };
}

test("a twin that nobody could read gives way to the file that is there, and what named it is served from there", async () => {
  using place = await twins(["a"]);
  await expect(place.get(A)).rejects.toMatchObject({ code: "CORRUPT" });
  for (let time = 0; time < 2; time++) expect(await place.get(B)).toBe(place.tree.file("b"));
  expect(await place.get(A)).toBe(place.tree.file("b"));
  expect(artifacts.latestOfId(place.test.store.db, A)?.digest).toBe(await blake3Of("same"));
});

test("two unread files of the same bytes, known by one digest each, become one at the first use of either", async () => {
  for (const first of [A, B]) {
    using place = await twins();
    const path = place.tree.file(first === A ? "a" : "b");
    for (const id of [first, A, B]) expect(await place.get(id)).toBe(path);
    expect(place.test.store.db.query("SELECT count(*) AS n FROM blobs").get()).toEqual({ n: 1 });
  }
  using place = await twins();
  expect(await verify(place.test.store, { share: 1, random: Math.random })).toMatchObject({ blobs: 1, unverified: 1, damage: [] });
  expect([await place.get(A), await place.get(B)]).toEqual([place.tree.file("a"), place.tree.file("a")]);
});

test("bytes elsewhere are served, too, while a sweep has the store's own copy in its hands", async () => {
  using place = await imported();
  const { db } = place.test.store;
  const digest = Buffer.from((await blake3Of(NAME)).slice(7), "hex");
  const own = (await place.test.add({ bytes: "other" })).blob as number;
  db.query("UPDATE blobs SET state = 'trashed', blake3 = ? WHERE seq = ?").run(digest, own);
  expect(await place.get()).toBe(place.tree.file(NAME));
  expect(place.blob()).toMatchObject({ state: "unverified", place: "foreign" });
});
