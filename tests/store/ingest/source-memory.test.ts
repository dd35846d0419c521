import { expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { loadBlake3 } from "../../../src/blobs/blake3.ts";
import { decodeTree } from "../../../src/blobs/decode-tree.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import * as packs from "../../../src/db/bytes/packs.ts";
import * as sources from "../../../src/db/bytes/sources.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { thisBoot } from "../../../src/domain/process-identity.ts";
import { atSyncPoints } from "../../../src/domain/sync-point.ts";
import { decodeSeen, encodeSeen } from "../../../src/store/ingest/seen-files.ts";
import type { SeenFiles, SeenUnit } from "../../../src/store/ingest/seen-files.ts";
import { locate, readChecked } from "../../../src/store/read.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { mountSmall, needsMount } from "../../support/mount.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { rewrite } from "../damaged-store.ts";
import { countOf, keep, storedFiles } from "../keep.ts";

const MINUTE = 60_000;
const blake3 = await loadBlake3();
const hexOf = (text: string | Uint8Array) => blake3.hash(Buffer.from(text)).toString("hex");
const whole = async (test: TestStore) => (await verify(test.store, { share: 1, random: Math.random })).damage;

const remembered = (test: TestStore, path: string) => sources.seen(test.store.db, path, thisBoot());

/** Logs a directory or file a minute after it was written: its times are settled. */
async function log(test: TestStore, path: string): Promise<ArtifactRow> {
  test.now = Date.now() + MINUTE;
  const { result } = await keep(test, [{ source: path, kind: lstatSync(path).isDirectory() ? "tree" : "file" }], { remember: true });
  return result[0] as ArtifactRow;
}

/** What the store has of a directory: path, digest. */
async function listOf(test: TestStore, artifact: ArtifactRow): Promise<Record<string, string>> {
  const list = decodeTree(await readChecked(test.store, blobs.bySeq(test.store.db, artifact.blob as number) as BlobRow));
  return Object.fromEntries(list.map((entry) => [entry.path, entry.kind === "file" ? entry.hex : entry.kind]));
}

/** Digests of the members that rows give a directory. */
function membersOf(test: TestStore, artifact: ArtifactRow): string[] {
  const rows = test.store.db
    .query("SELECT lower(hex(blake3)) FROM tree_members JOIN blobs ON seq = member WHERE tree = ?")
    .values(artifact.blob);
  return (rows as [string][]).map(([hex]) => hex).toSorted();
}

function directory(root: { at(...names: string[]): string }, count = 40): string {
  mkdirSync(root.at("d/deep"), { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(root.at("d", i % 2 ? "deep" : ".", `${i}`), `file ${String(i).padStart(3, "0")}`);
  writeFileSync(root.at("d/large"), Buffer.alloc(200_000, 1));
  return root.at("d");
}

/** Says of what is remembered of a path that its first file had other bytes: whoever believes it does not read. */
function lie(test: TestStore, path: string, hex: string): void {
  const seen = decodeSeen(remembered(test, path) as Uint8Array, blake3) as SeenUnit;
  seen.files.digests.write(hex, "hex");
  const bytes = encodeSeen(seen, blake3) as Buffer;
  test.store.transaction(() => sources.keep(test.store.db, path, { boot: thisBoot(), bytes }, test.now));
}

test("of a directory that did not change, no file is read, and nothing is added", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  const first = await log(test, d);
  const before = [storedFiles(test), countOf(test, "blobs")];
  const again = await log(test, d);
  expect([again.blob, again.size, again.files, storedFiles(test), countOf(test, "blobs")]).toEqual([first.blob, first.size, 41, ...before]);
  // a file that changed makes the list anew: with the digests that are remembered
  lie(test, d, hexOf("file 001"));
  writeFileSync(root.at("d/38"), "other");
  expect((await listOf(test, await log(test, d)))["0"]).toBe(hexOf("file 001"));
});

test("of a directory that changed in part, the rest is not read, and its members are those of its list", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  await log(test, d);
  // one that stays as it is has the bytes that another one loses
  writeFileSync(root.at("d/twin"), "file 004");
  await log(test, d);
  writeFileSync(root.at("d/0"), "changed");
  writeFileSync(root.at("d/4"), "changed too");
  writeFileSync(root.at("d/new"), "file 002");
  writeFileSync(root.at("d/large"), Buffer.alloc(200_000, 2));
  unlinkSync(root.at("d/2"));
  chmodSync(root.at("d/6"), 0o600);
  symlinkSync("0", root.at("d/link"));
  const artifact = await log(test, d);
  using other = await openTestStore();
  const expected = await listOf(other, await log(other, d));
  expect(await listOf(test, artifact)).toEqual(expected);
  expect(Object.keys(expected)).toHaveLength(43);
  expect(membersOf(test, artifact)).toEqual([...new Set(Object.values(expected).filter((hex) => hex.length === 64))].toSorted());
  expect(membersOf(test, artifact)).not.toContain(hexOf("file 000"));
  expect(membersOf(test, artifact)).toContain(hexOf("file 004"));
  expect(await whole(test)).toEqual([]);
});

test.each([
  ["changed in place, with its times put back", (path: string) => writeFileSync(path, "FILE 000")],
  [
    "was replaced by another of its size and times",
    (path: string) => {
      writeFileSync(`${path}-new`, "FILE 000");
      renameSync(`${path}-new`, path);
    },
  ],
])("a file that %s is read again", async (_, change) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  utimesSync(root.at("d/0"), 5, 5);
  await log(test, d);
  await Bun.sleep(20);
  change(root.at("d/0"));
  utimesSync(root.at("d/0"), 5, 5);
  expect((await listOf(test, await log(test, d)))["0"]).toBe(hexOf("FILE 000"));
});

test.each([
  ["has just been written, and may change within the same tick", 0],
  ["seems to be of the future, since a clock was set back", -60 * MINUTE],
])("a file that %s is read each time", async (_, ahead) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  test.now = Date.now() + ahead;
  await keep(test, [{ source: d, kind: "tree" }], { remember: true });
  expect(remembered(test, d)).toBeNull();
});

test("a file that somebody has open for writing, and might have mapped, is read each time", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  const fd = openSync(root.at("d/0"), "r+");
  await log(test, d);
  const seen = (): SeenFiles => (decodeSeen(remembered(test, d) as Uint8Array, blake3) as SeenUnit).files;
  const isBelieved = (index: number): boolean => seen().isUnchanged(index, lstatSync(root.at("d", seen().paths[index] as string)));
  expect([seen().paths[0], isBelieved(0), isBelieved(1)]).toEqual(["0", false, true]);
  closeSync(fd);
  await log(test, d);
  expect(isBelieved(0)).toBe(true);
});

test("whatever bit of what is remembered is wrong, it is not used", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root, 2);
  const first = await log(test, d);
  const good = Buffer.from(remembered(test, d) as Uint8Array);
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] as number) ^ (1 << (at % 8));
    expect(decodeSeen(bad, blake3)).toBeUndefined();
    if (at % 8 === 0) expect(decodeSeen(good.subarray(0, at), blake3)).toBeUndefined();
  }
  test.store.transaction(() => sources.keep(test.store.db, d, { boot: thisBoot(), bytes: Buffer.from("nonsense") }, test.now));
  expect((await log(test, d)).blob).toBe(first.blob);
  expect(Buffer.from(remembered(test, d) as Uint8Array).equals(good)).toBe(true);
});

const HURTS: Record<string, (path: string) => void> = {
  gone: (path) => rmSync(path),
  "cut short": (path) => (chmodSync(path, 0o644), truncateSync(path, 3)),
  changed: (path) => rewrite(path, (bytes) => (bytes[600] = (bytes[600] as number) ^ 1)),
};

for (const [what, hurt] of Object.entries(HURTS))
  test.each(["pack", "file"])(
    `where the %s that has an unchanged directory's bytes is ${what}, they are read again and stored`,
    async (where) => {
      using test = await openTestStore();
      using root = temporaryRoot();
      const d = directory(root);
      const first = await log(test, d);
      const path = where === "pack" ? packs.all(test.store.db)[0]?.path : blobs.latestFiles(test.store.db, 1)[0];
      hurt(test.store.path(path as string));
      expect((await log(test, d)).blob).toBe(first.blob);
      expect((await whole(test)).filter((one) => one.what !== "pack")).toEqual([]);
    },
  );

test("where the file of an unchanged large file is lost, it is read again and stored", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), Buffer.alloc(200_000, 1));
  const first = await log(test, root.at("f"));
  const { path } = locate(test.store, blobs.bySeq(test.store.db, first.blob as number) as BlobRow);
  rmSync(path);
  expect((await log(test, root.at("f"))).blob).toBe(first.blob);
  expect([existsSync(path), await whole(test)]).toEqual([true, []]);
});

test("an unchanged large file is not read, and one that changed is", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const lies = await test.add({ bytes: Buffer.alloc(200_000, 9) });
  writeFileSync(root.at("f"), Buffer.alloc(200_000, 1));
  await log(test, root.at("f"));
  lie(test, root.at("f"), hexOf(Buffer.alloc(200_000, 9)));
  expect((await log(test, root.at("f"))).blob).toBe(lies.blob);
  await Bun.sleep(20);
  writeFileSync(root.at("f"), Buffer.alloc(200_000, 2));
  const third = await log(test, root.at("f"));
  expect(Buffer.from((blobs.bySeq(test.store.db, third.blob as number) as BlobRow).blake3 as Uint8Array).toString("hex")).toBe(
    hexOf(Buffer.alloc(200_000, 2)),
  );
});

// after a crash of the machine, bytes that were flushed may have the times of those that they took the place of
test("of a directory, nothing is believed that was seen before the machine was started", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  await log(test, d);
  lie(test, d, hexOf("file 001"));
  test.store.db.run("UPDATE sources SET boot = 'another'");
  writeFileSync(root.at("d/38"), "other");
  expect((await listOf(test, await log(test, d)))["0"]).toBe(hexOf("file 000"));
  expect(test.store.db.query("SELECT boot FROM sources").values()).toEqual([[thisBoot()]]);
});

test("of a large file, nothing is believed that was seen before the machine was started", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  await test.add({ bytes: Buffer.alloc(200_000, 9) });
  writeFileSync(root.at("f"), Buffer.alloc(200_000, 1));
  const { blob } = await log(test, root.at("f"));
  lie(test, root.at("f"), hexOf(Buffer.alloc(200_000, 9)));
  test.store.db.run("UPDATE sources SET boot = 'another'");
  expect((await log(test, root.at("f"))).blob).toBe(blob);
  expect((await log(test, root.at("f"))).blob).toBe(blob);
});

test("a large file that changes between the look at it and its opening is read, and known as it is then", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const path = root.at("f");
  writeFileSync(path, Buffer.alloc(200_000, 1));
  await log(test, path);
  const changed = Buffer.alloc(200_000, 2);
  let isBegun = false;
  let isChanged = false;
  atSyncPoints((point) => (isBegun ||= point === "ingest.begun"));
  const { now } = test.store;
  Object.assign(test.store, {
    now() {
      // the clock is looked at right before the file is opened
      if (isBegun && !isChanged) writeFileSync(path, changed);
      isChanged ||= isBegun;
      return now();
    },
  });
  await log(test, path).finally(() => atSyncPoints(() => undefined));
  const seen = decodeSeen(remembered(test, path) as Uint8Array, blake3) as SeenUnit;
  expect([isChanged, seen.hex, seen.files.hexOf(0)]).toEqual([true, hexOf(changed), hexOf(changed)]);
  expect(seen.files.isUnchanged(0, lstatSync(path))).toBe(true);
});

test.each(["ingest.asked", "ingest.staged", "ingest.placed"])(
  "what a sweep takes between the look and the commit (at %s) is read again and stored",
  async (when) => {
    using test = await openTestStore();
    using root = temporaryRoot();
    const d = directory(root);
    const first = await log(test, d);
    let isSwept = false;
    atSyncPoints((point) => {
      if (point !== when || isSwept) return;
      isSwept = true;
      // as far as a sweep has come when it has taken one member
      const member = blobs.byDigest(test.store.db, { algorithm: "blake3", hex: hexOf("file 003") }) as BlobRow;
      test.store.db.query("UPDATE blobs SET state = 'trashed' WHERE seq = ?").run(member.seq);
    });
    const again = await log(test, d).finally(() => atSyncPoints(() => undefined));
    expect([isSwept, again.blob, membersOf(test, again).length, countOf(test, "packs")]).toEqual([true, first.blob, 41, 2]);
    expect(await whole(test)).toEqual([]);
  },
);

test("what gc condemned of an unchanged directory is wanted again", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const d = directory(root);
  await log(test, d);
  test.store.db.run("UPDATE blobs SET state = 'condemned', condemned_at = 1");
  const again = await log(test, d);
  expect([test.store.db.query("SELECT DISTINCT state, condemned_at FROM blobs").values(), membersOf(test, again).length]).toEqual([
    [["live", null]],
    41,
  ]);
});

test("what is moved in, or lies in memory, is not remembered; nor is anything that nobody asked to", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), Buffer.alloc(200_000, 1));
  test.now = Date.now() + MINUTE;
  await keep(test, [{ source: directory(root), kind: "tree" }]);
  await keep(test, [{ source: root.at("f"), move: true }], { remember: true });
  expect(test.store.db.query("SELECT * FROM sources").all()).toEqual([]);
});

needsMount(test)("a directory in memory is read each time: writes through a mapping leave no trace there", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  using _memory = mountSmall(root.at("memory"), "1m");
  writeFileSync(root.at("memory/f"), "in memory");
  await log(test, root.at("memory"));
  expect(remembered(test, root.at("memory"))).toBeNull();
});

test("what was used longest ago goes when there are too many, or they are too large", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const paths = () => (db.query("SELECT path FROM sources ORDER BY used_at").values() as [string][]).map(([path]) => path);
  const keepAll = (...all: [path: string, bytes: number, at: number][]): void =>
    test.store.transaction(() => {
      for (const [path, bytes, at] of all) sources.keep(db, path, { boot: "boot", bytes: Buffer.alloc(bytes) }, at);
      sources.makeRoom(db);
    });
  test.store.transaction(() => {
    for (let at = 0; at < 1005; at++) sources.keep(db, `/${at}`, { boot: "boot", bytes: Buffer.from("x") }, at);
    sources.touch(db, "/5", 2000);
  });
  keepAll(["/last", 1, 3000]);
  expect([paths().length, paths()[0], paths().slice(-2)]).toEqual([1000, "/7", ["/5", "/last"]]);
  keepAll(["/large", 60 << 20, 4000], ["/larger", 10 << 20, 5000]);
  expect(paths()).toEqual(["/larger"]);
  keepAll(["/larger", 65 << 20, 6000]);
  expect(paths()).toEqual([]);
});
