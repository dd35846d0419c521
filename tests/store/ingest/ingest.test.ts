import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { blobFileName } from "../../../src/blobs/file-name.ts";
import { sourceStamp } from "../../../src/blobs/source-stamp.ts";
import { loadBlake3 } from "../../../src/blobs/blake3.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import type { AheadFile } from "../../../src/store/ingest/ahead-files.ts";
import { ingest } from "../../../src/store/ingest/ingest.ts";
import * as leases from "../../../src/db/bytes/leases.ts";
import { dropLease, takeLease } from "../../../src/store/lease.ts";
import { locate, readChecked } from "../../../src/store/read.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { countOf, keep, storedFiles } from "../keep.ts";

const row = (test: TestStore, blob: number | null) => blobs.bySeq(test.store.db, blob as number) as BlobRow;
const pathOf = (test: TestStore, blob: number | null) => locate(test.store, row(test, blob)).path;
const whole = async (test: TestStore) => (await verify(test.store, { share: 1, random: Math.random })).damage;

test("the same bytes under five ids are one blob", async () => {
  using test = await openTestStore();
  const kept = [];
  for (let i = 0; i < 5; i++) kept.push(await test.add({ path: `copy-${i}`, bytes: "the same" }));
  expect(new Set(kept.map((artifact) => artifact.blob)).size).toBe(1);
  expect([countOf(test, "artifacts"), countOf(test, "blobs"), storedFiles(test).length]).toEqual([5, 1, 1]);
});

test("the same bytes twice in one ingest, in files and inside directories, packed or not, are one blob", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const large = Buffer.alloc(300_000, 7);
  for (const name of ["a", "b"]) {
    mkdirSync(root.at(name));
    for (let i = 0; i < 40; i++) writeFileSync(root.at(name, `${i}`), `small ${i % 10}`);
    writeFileSync(root.at(name, "large"), large);
  }
  writeFileSync(root.at("large-too"), large);
  const { result, added } = await keep(test, [
    { source: root.at("a"), kind: "tree" },
    { source: root.at("b"), kind: "tree" },
    { source: root.at("large-too") },
  ]);
  // ten small ones, a large one, and the list, which is the same for both directories
  expect([countOf(test, "blobs"), added.blobs]).toEqual([12, 12]);
  expect(result[0]?.blob).toBe(result[1]?.blob as number);
  expect(storedFiles(test).filter((path) => !path.startsWith("default/packs/")).length).toBe(1);
  expect(await whole(test)).toEqual([]);
});

test("what is logged twice adds no byte and no file the second time", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d/deep"), { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(root.at("d", i % 2 ? "deep" : ".", `${i}`), `file ${i}`);
  writeFileSync(root.at("d/large"), Buffer.alloc(200_000, 1));
  await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  const before = [storedFiles(test), countOf(test, "blobs"), countOf(test, "packs")];
  const { added } = await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  expect(added).toEqual({ blobs: 0, bytes: 0 });
  expect([storedFiles(test), countOf(test, "blobs"), countOf(test, "packs")]).toEqual(before);
});

test("two ingests of the same bytes at one moment leave one blob and one file", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  for (const name of ["a", "b", "c"]) writeFileSync(root.at(name), Buffer.alloc(20 << 20, 3));
  const kept = await Promise.all(["a", "b", "c"].map((name) => keep(test, [{ source: root.at(name) }])));
  expect(new Set(kept.map(({ result }) => result[0]?.blob)).size).toBe(1);
  expect([countOf(test, "blobs"), storedFiles(test).length, countOf(test, "leases"), readdirSync(test.store.path("tmp"))]).toEqual([
    1,
    1,
    0,
    [],
  ]);
});

test("a planted file with the same short name is never served, nor touched, however many names are taken", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("model.bin"), "the true bytes");
  const hex = Buffer.from((await loadBlake3()).hash(Buffer.from("the true bytes"))).toString("hex");
  const planted = [12, 16, 24, 32, 64].map((digits) =>
    test.store.path("binaries/default", blobFileName({ type: "model", class: null, hex, path: "model.bin" }, digits)),
  );
  mkdirSync(dirname(planted[0] as string), { recursive: true });
  for (const [count, path] of planted.entries()) {
    writeFileSync(path, "planted bytes!");
    const { result } = await keep(test, [{ source: root.at("model.bin"), type: "model", typed: true }]);
    const blob = result[0]?.blob as number;
    expect(planted.slice(0, count + 1)).not.toContain(pathOf(test, blob));
    expect((await readChecked(test.store, row(test, blob))).toString()).toBe("the true bytes");
    expect(planted.slice(0, count + 1).map((each) => readFileSync(each, "utf8"))).toEqual(
      planted.slice(0, count + 1).map(() => "planted bytes!"),
    );
    // lost, so that the next round stores it again
    rmSync(pathOf(test, blob));
  }
});

test("a condemned blob is revived by an ingest of the same bytes, and no byte is written", async () => {
  using test = await openTestStore();
  const { blob } = await test.add({ bytes: "wanted again" });
  test.store.db.run("UPDATE blobs SET state = 'condemned', condemned_at = 5");
  const file = pathOf(test, blob);
  const { ino } = lstatSync(file);
  const again = await test.add({ bytes: "wanted again" });
  expect([again.blob, row(test, blob).state, row(test, blob).condemned_at]).toEqual([blob, "live", null]);
  expect([lstatSync(file).ino, storedFiles(test).length]).toEqual([ino, 1]);
});

test("a trashed blob gets new bytes under its old row", async () => {
  using test = await openTestStore();
  const { blob } = await test.add({ bytes: "swept" });
  rmSync(pathOf(test, blob));
  test.store.db.run("UPDATE blobs SET state = 'trashed', condemned_at = 5");
  const again = await test.add({ bytes: "swept" });
  expect([again.blob, row(test, blob).state]).toEqual([blob, "live"]);
  expect(await whole(test)).toEqual([]);
});

test("a trashed blob that was packed gets new bytes, in a pack or in a file", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  for (let i = 0; i < 40; i++) writeFileSync(root.at("d", `${i}`), `small ${i}`);
  await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  test.store.db.run("UPDATE blobs SET state = 'trashed'");
  const { result } = await keep(test, [{ source: root.at("d/7") }]);
  expect(row(test, result[0]?.blob as number)).toMatchObject({ place: "file", pack: null, offset: null, state: "live" });
  await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  expect(test.store.db.query("SELECT state, count(*) AS n FROM blobs GROUP BY state").all()).toEqual([{ state: "live", n: 41 }]);
  expect(await whole(test)).toEqual([]);
});

/** What a sweep in another process does to a blob that nothing names, from condemning to the end of its file. */
function sweep(test: TestStore, blob: number | null): void {
  const path = pathOf(test, blob);
  using other = new Database(test.store.path("coffer.db"));
  other.run("BEGIN IMMEDIATE");
  renameSync(path, `${path}.swept`);
  other.run("UPDATE blobs SET state = 'trashed' WHERE seq = ?", [blob]);
  other.run("COMMIT");
  rmSync(`${path}.swept`);
}

test("a blob that is swept between the look and the commit is stored again", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("known"), "known before");
  writeFileSync(root.at("new"), "new");
  const { result: before } = await keep(test, [{ source: root.at("known") }]);
  test.store.db.run("DELETE FROM artifacts");
  let swept = false;
  // asked before "new" is read, when "known" was found in the store
  const openElsewhere = (): boolean => {
    if (!swept) sweep(test, before[0]?.blob as number);
    swept = true;
    return false;
  };
  const { result, added } = await keep(test, [{ source: root.at("known") }, { source: root.at("new"), move: true }], { openElsewhere });
  expect([swept, added.blobs]).toEqual([true, 2]);
  expect((await readChecked(test.store, row(test, result[0]?.blob as number))).toString()).toBe("known before");
  expect(await whole(test)).toEqual([]);
});

test("bytes that one file counts on, and that another then finds damaged while it becomes another file, are stored again", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const { blob } = await test.add({ bytes: "in both" });
  const shared = row(test, blob);
  mkdirSync(root.at("tree"));
  for (let n = 0; n < 40; n++) writeFileSync(root.at("tree", `f${n}`), n === 0 ? "in both" : `small ${n}`);
  const late = root.at("late");
  writeFileSync(late, "first");
  let asked = 0;
  const of = (): AheadFile | undefined => {
    asked++;
    // it is read again a moment later, when the directory was read
    if (asked === 1) writeFileSync(late, "the second one");
    if (asked !== 2) return undefined;
    chmodSync(pathOf(test, blob), 0o644);
    writeFileSync(pathOf(test, blob), "IN BOTH");
    // someone read "in both" in it, and it was overwritten without a new time
    return {
      stamp: sourceStamp(lstatSync(late, { bigint: true })),
      hex: Buffer.from(shared.blake3 as Uint8Array).toString("hex"),
      flushed: false,
    };
  };
  const { result } = await keep(
    test,
    [
      { source: root.at("tree"), kind: "tree" },
      { source: late, typed: true },
    ],
    { ahead: { of } },
  );
  expect([asked, await whole(test)]).toEqual([3, []]);
  expect((await readChecked(test.store, row(test, blob))).toString()).toBe("in both");
  expect((await readChecked(test.store, row(test, result[1]?.blob as number))).toString()).toBe("the second one");
  const members = test.store.db
    .query<{ member: number }, [number]>("SELECT member FROM tree_members WHERE tree = ?")
    .all(result[0]?.blob as number);
  expect([members.length, members.some(({ member }) => member === blob)]).toEqual([40, true]);
});

test("whose lease was taken away meanwhile stores nothing", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("a"), "a");
  const lease = takeLease(test.store, "ingest");
  leases.remove(test.store.db, lease);
  const unit = { kind: "file", type: "file", class: null, typed: false, path: "a", source: root.at("a"), move: false } as const;
  const work = ingest(test.store, lease, [unit], { dataset: "default" }, () => undefined);
  await expect(work).rejects.toMatchObject({ code: "PROTECTED", message: expect.stringContaining("taken for dead") });
  expect([countOf(test, "blobs"), storedFiles(test), readFileSync(root.at("a"), "utf8")]).toEqual([0, [], "a"]);
});

test("when commit refuses, no row, no file and no lease is left, and a moved file is where it was", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("a"), "a");
  writeFileSync(root.at("b"), "b");
  const lease = takeLease(test.store, "ingest");
  const unit = { kind: "file", type: "file", class: null, typed: false } as const;
  const work = ingest(
    test.store,
    lease,
    [
      { ...unit, path: "a", source: root.at("a"), move: true },
      { ...unit, path: "b", source: root.at("b"), move: false },
    ],
    { dataset: "default" },
    () => {
      throw new Error("no");
    },
  );
  await expect(work).rejects.toThrow("no");
  dropLease(test.store, lease);
  expect([countOf(test, "blobs"), storedFiles(test), readdirSync(test.store.path("tmp")), countOf(test, "leases")]).toEqual([0, [], [], 0]);
  expect([lstatSync(root.at("a")).nlink, readFileSync(root.at("a"), "utf8")]).toEqual([1, "a"]);
});

test.each([
  ["gone", (path: string) => rmSync(path)],
  ["cut short", (path: string) => (chmodSync(path, 0o644), truncateSync(path, 3))],
  [
    "changed",
    (path: string) => {
      chmodSync(path, 0o644);
      writeFileSync(path, "OTHER BYTES OF THAT SIZE".slice(0, lstatSync(path).size));
    },
  ],
])("a blob whose file is %s is mended when the same bytes are kept again", async (_, damage) => {
  using test = await openTestStore();
  const { blob } = await test.add({ bytes: "bytes to be lost" });
  damage(pathOf(test, blob));
  expect(await whole(test)).toHaveLength(1);
  const again = await test.add({ bytes: "bytes to be lost" });
  expect([again.blob, await whole(test)]).toEqual([blob, []]);
});

test("a pack that is gone is mended when its directory is kept again", async () => {
  using test = await openTestStore();
  const files = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}`, `small ${i}`]));
  const { blob } = await test.add({ files });
  rmSync(pathOf(test, blob));
  expect((await whole(test)).length).toBeGreaterThan(50);
  expect((await test.add({ files })).blob).toBe(blob);
  expect(await whole(test)).toEqual([]);
});

test("a blob's file that was only touched is hashed again and kept as it is", async () => {
  using test = await openTestStore();
  const { blob } = await test.add({ bytes: "touched" });
  const file = pathOf(test, blob);
  utimesSync(file, 1, 1);
  await test.add({ bytes: "touched" });
  expect([storedFiles(test).length, row(test, blob).mtime_ns]).toEqual([1, 1_000_000_000n]);
});

test("small files go into one pack from 32 on; typed ones and large ones get files of their own", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const files = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => {
      const source = root.at(`${name}-${index}`);
      writeFileSync(source, `${name} ${index}`);
      return { source };
    });
  await keep(test, files(31, "few"));
  expect([countOf(test, "packs"), storedFiles(test).length]).toEqual([0, 31]);
  writeFileSync(root.at("large"), Buffer.alloc(128 * 1024, 9));
  const [typed, ...rest] = files(33, "many");
  const { result } = await keep(test, [
    { ...typed, source: typed?.source as string, type: "model", class: "Ridge", typed: true },
    ...rest,
    { source: root.at("large") },
  ]);
  expect(countOf(test, "packs")).toBe(1);
  expect(result.map((artifact) => row(test, artifact.blob).place)).toEqual(["file", ...rest.map(() => "pack" as const), "file"]);
  expect(pathOf(test, result[0]?.blob as number)).toMatch(/\/binaries\/default\/model_Ridge_[0-9a-f]{12}$/);
});

test("blobs and packs can only be read, and lie under their dataset", async () => {
  using test = await openTestStore();
  const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}`, `small ${i}`]));
  await test.add({ files });
  await test.add({ bytes: "single" });
  for (const path of storedFiles(test)) expect(lstatSync(join(test.store.path("binaries"), path)).mode & 0o777).toBe(0o444);
  using root = temporaryRoot();
  writeFileSync(root.at("x"), "of another dataset");
  const { result } = await keep(test, [{ source: root.at("x") }], { dataset: "corn m5" });
  expect(pathOf(test, result[0]?.blob as number)).toStartWith(test.store.path("binaries/corn_m5/"));
  expect(existsSync(pathOf(test, result[0]?.blob as number))).toBe(true);
});

test("an empty file is a blob of no bytes, once", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  for (const name of ["empty-1", "empty-2"]) writeFileSync(root.at(name), "");
  const { result } = await keep(test, [{ source: root.at("empty-1") }, { source: root.at("empty-2") }]);
  expect(new Set(result.map((artifact) => artifact.blob)).size).toBe(1);
  expect(row(test, result[0]?.blob as number).size).toBe(0);
  expect(await whole(test)).toEqual([]);
});

test("more large files than may wait for the disk at one time are all kept, and no descriptor stays open", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("many"));
  for (let i = 0; i < 100; i++) writeFileSync(root.at("many", String(i)), Buffer.alloc(140_000, i + 1));
  await keep(test, [{ source: root.at("many"), kind: "tree" }]);
  expect([await whole(test), countOf(test, "blobs")]).toEqual([[], 101]);
  const open = existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").map(linkOf) : [];
  expect(open.filter((path) => /\/(?:binaries|tmp)\/.*(?:blob|tree|pack)-|\/binaries\//.test(path))).toEqual([]);
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

test("a flipped byte in a pack is found when the same files are kept again, and mended by them", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("precious"));
  for (let n = 0; n < 40; n++) writeFileSync(root.at("precious", `f${n}`), `precious ${n}\n`);
  await keep(test, [{ source: root.at("precious"), kind: "tree" }]);
  const pack = test.store.path("binaries", storedFiles(test).find((path) => path.endsWith(".tar")) as string);
  chmodSync(pack, 0o644);
  const fd = openSync(pack, "r+");
  writeSync(fd, "Z", 512);
  closeSync(fd);
  expect(await whole(test)).toHaveLength(1);
  const again = await keep(test, [{ source: root.at("precious"), kind: "tree" }]);
  expect(again.added.blobs).toBe(1);
  expect(await whole(test)).toEqual([]);
});
