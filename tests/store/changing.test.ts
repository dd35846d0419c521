import { expect, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import * as blobs from "../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../src/db/bytes/blobs.ts";
import { atSyncPoints } from "../../src/domain/sync-point.ts";
import type { Admitted } from "../../src/store/ingest/admitted.ts";
import { ingest, settleMoved } from "../../src/store/ingest/ingest.ts";
import { dropLease, takeLease } from "../../src/store/lease.ts";
import { locate, readChecked } from "../../src/store/read.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { countOf, keep, storedFiles } from "./keep.ts";

const row = (test: TestStore, blob: number | null) => blobs.bySeq(test.store.db, blob as number) as BlobRow;
const whole = async (test: TestStore) => (await verify(test.store, { share: 1, random: Math.random })).damage;

/** Does something once to a file that is opened and about to be read. */
function once(work: () => void): () => boolean {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
    return false;
  };
}

test.each([
  ["grows", (path: string) => appendFileSync(path, " and more"), "first and more"],
  ["shrinks", (path: string) => truncateSync(path, 2), "fi"],
  [
    "is written over",
    (path: string) => {
      writeFileSync(path, "other");
      utimesSync(path, 5, 5);
    },
    "other",
  ],
])("a file that %s while it is read is read again, and nothing is kept of the first reading", async (_, change, wanted) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "first");
  const { result } = await keep(test, [{ source: root.at("f"), move: true }], { openElsewhere: once(() => change(root.at("f"))) });
  expect((await readChecked(test.store, row(test, result[0]?.blob as number))).toString()).toBe(wanted);
  expect([countOf(test, "blobs"), storedFiles(test).length, countOf(test, "events"), await whole(test)]).toEqual([1, 1, 0, []]);
});

test("a file that never settles is kept as it was read last, whole, and marked", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), Buffer.alloc(30 << 20, 1));
  const writer = setInterval(() => appendFileSync(root.at("f"), "more"), 1);
  const { result } = await keep(test, [{ source: root.at("f") }]).finally(() => clearInterval(writer));
  expect(test.store.db.query("SELECT kind FROM events WHERE artifact = ?").all(result[0]?.seq as number)).toEqual([{ kind: "unsettled" }]);
  expect([countOf(test, "blobs"), storedFiles(test).length, await whole(test)]).toEqual([1, 1, []]);
});

test("a file that vanishes from a directory while it is read is listed, and the others are kept", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  for (const name of ["a", "b", "z"]) writeFileSync(root.at("d", name), name);
  const names = ["a", "b", "z"];
  // asked of each name while the directory is listed: when the last one comes, the others are on the list
  const ignored = (): boolean => {
    names.pop();
    if (names.length === 0) for (const name of ["a", "b", "z"]) if (name !== "b") rmSync(root.at("d", name), { force: true });
    return false;
  };
  const { result, problems } = await keep(test, [{ source: root.at("d"), kind: "tree" }], { ignored });
  expect(problems.map(({ path, failed }) => [path, failed]).toSorted()).toEqual([
    ["d/a", true],
    ["d/z", true],
  ]);
  expect(result[0]?.files).toBe(1);
  expect(await whole(test)).toEqual([]);
});

test("a file that vanishes before it is read is an error, and nothing of its company is kept", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("a"), "a");
  await expect(keep(test, [{ source: root.at("a") }, { source: root.at("gone") }])).rejects.toMatchObject({ code: "UNREADABLE" });
  expect([countOf(test, "blobs"), storedFiles(test), countOf(test, "leases")]).toEqual([0, [], 0]);
});

// Moving in -------------------------------------------------------------------------------------------------------

test("a moved file becomes the blob: the same inode, read-only once its own name is gone", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "moved");
  const { ino } = lstatSync(root.at("f"));
  const { moved, result } = await keep(test, [{ source: root.at("f"), move: true }]);
  const file = locate(test.store, row(test, result[0]?.blob as number)).path;
  expect(moved).toEqual([{ source: root.at("f"), blob: result[0]?.blob as number, path: file }]);
  expect(lstatSync(file).ino).toBe(ino);
  rmSync(root.at("f"));
  settleMoved(test.store, moved);
  expect([lstatSync(file).mode & 0o777, row(test, result[0]?.blob as number).ctime_ns]).toEqual([
    0o444,
    lstatSync(file, { bigint: true }).ctimeNs,
  ]);
  expect(await whole(test)).toEqual([]);
});

test("a moved file that is written to after it was read, and before a row names it, is read again", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "first");
  atSyncPoints((point) => {
    if (point === "ingest.placed" && readFileSync(root.at("f"), "utf8") === "first") writeFileSync(root.at("f"), "other");
  });
  const { moved, result } = await keep(test, [{ source: root.at("f"), move: true }]).finally(() => atSyncPoints(() => undefined));
  expect(moved).toHaveLength(1);
  expect((await readChecked(test.store, row(test, result[0]?.blob as number))).toString()).toBe("other");
  expect([countOf(test, "blobs"), storedFiles(test).length, await whole(test)]).toEqual([1, 1, []]);
});

test.each([
  ["has a second name", (root: { at(name: string): string }) => linkSync(root.at("f"), root.at("second")), false],
  ["another process has open for writing", () => undefined, true],
])("a file that %s is copied instead of moved", async (_, prepare, elsewhere) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "original");
  prepare(root);
  const { moved, result } = await keep(test, [{ source: root.at("f"), move: true }], { openElsewhere: () => elsewhere });
  const file = locate(test.store, row(test, result[0]?.blob as number)).path;
  expect([moved, lstatSync(file).nlink, lstatSync(file).ino === lstatSync(root.at("f")).ino]).toEqual([[], 1, false]);
  // whoever writes through the other name does not write into the store
  writeFileSync(root.at("f"), "CHANGED!");
  expect(readFileSync(file, "utf8")).toBe("original");
});

test("a moved file that the store has already stays where it is, and no second name of it is left", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  await test.add({ bytes: "had before" });
  writeFileSync(root.at("f"), "had before");
  const { moved, added } = await keep(test, [{ source: root.at("f"), move: true }]);
  expect([moved, added.blobs, lstatSync(root.at("f")).nlink, countOf(test, "blobs")]).toEqual([[], 0, 1, 1]);
});

test("two moved files with the same bytes: one becomes the blob, the other stays as it is", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  for (const name of ["a", "b"]) writeFileSync(root.at(name), "twins");
  const { moved, result } = await keep(
    test,
    ["a", "b"].map((name) => ({ source: root.at(name), move: true })),
  );
  expect([moved.length, new Set(result.map((artifact) => artifact.blob)).size]).toEqual([1, 1]);
  expect(["a", "b"].map((name) => lstatSync(root.at(name)).nlink).toSorted()).toEqual([1, 2]);
});

needsMount(test)("a file on another file system is copied instead of moved", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  using _other = mountSmall(root.at("other"), "1m");
  writeFileSync(root.at("other/f"), "from afar");
  const { moved, result } = await keep(test, [{ source: root.at("other/f"), move: true }]);
  expect([moved, (await readChecked(test.store, row(test, result[0]?.blob as number))).toString()]).toEqual([[], "from afar"]);
});

test("a file that is written to between its hash and its commit does not reach the store under a wrong digest", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), Buffer.alloc(40 << 20, 1));
  const fd = openSync(root.at("f"), constants.O_WRONLY);
  const lease = takeLease(test.store, "ingest");
  const unit = { path: "f", source: root.at("f"), kind: "file", type: "file", class: null, typed: false, move: true } as const;
  let writes = 0;
  const writer = setInterval(() => writeSync(fd, `${writes++}`, 0), 1);
  const { result } = await ingest(
    test.store,
    lease,
    [unit],
    { dataset: "default" },
    (admitted: Admitted[]) => admitted[0] as Admitted,
  ).finally(() => clearInterval(writer));
  dropLease(test.store, lease);
  closeSync(fd);
  expect(writes).toBeGreaterThan(0);
  expect([row(test, result.blob).size, await whole(test)]).toEqual([40 << 20, []]);
});
