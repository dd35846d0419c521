import { appendFileSync, closeSync, existsSync, lstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { loadBlake3 } from "../../../../src/blobs/blake3.ts";
import { sourceStamp } from "../../../../src/blobs/source-stamp.ts";
import type { SourceStamp } from "../../../../src/blobs/source-stamp.ts";
import { loadKernel } from "../../../../src/run/ahead/reader/kernel.ts";
import { readFinished } from "../../../../src/run/ahead/reader/read-finished.ts";
import { fillDisk, mountExt4, needsMount } from "../../../support/mount.ts";
import { temporaryRoot } from "../../../support/temporary-root.ts";

const mounted = needsMount(test);
const blake3 = await loadBlake3();
const kernel = loadKernel();
/** More than two steps, and no whole number of chunks. */
const bytes = Buffer.alloc((70 << 20) + 12_345, "some bytes that come again and again; ");
const hex = blake3.hash(bytes).toString("hex");

const root = temporaryRoot();
const path = root.at("m");
let stamp: SourceStamp;

/** What changed less than two seconds ago may change again unseen. */
beforeAll(async () => {
  writeFileSync(path, bytes);
  stamp = sourceStamp(lstatSync(path, { bigint: true }));
  await Bun.sleep(2_100);
});
afterAll(() => root[Symbol.dispose]());

test("a finished file is hashed, or copied and hashed in one pass", () => {
  expect(readFinished({ path, stamp, copy: undefined }, blake3, kernel)).toEqual({ hex, copy: undefined });
  const to = root.at("copy");
  const reply = readFinished({ path, stamp, copy: { to, floor: 0 } }, blake3, kernel);
  const stat = lstatSync(to, { bigint: true });
  expect(reply).toEqual({ hex, copy: sourceStamp(stat) });
  expect(stat.mode & 0o777n).toBe(0o444n);
  expect(readFileSync(to).equals(bytes)).toBe(true);
  expect(sourceStamp(lstatSync(path, { bigint: true }))).toEqual(stamp);
});

test("one that is new, is another one, is open for writing, or is gone, is left, and there is no copy", () => {
  const to = root.at("none");
  const left = (of: string, as: SourceStamp) => readFinished({ path: of, stamp: as, copy: { to, floor: 0 } }, blake3, kernel);
  writeFileSync(root.at("new"), "new");
  expect(left(root.at("new"), sourceStamp(lstatSync(root.at("new"), { bigint: true })))).toBe("left");
  expect(left(path, { ...stamp, ctime_ns: stamp.ctime_ns - 1n })).toBe("left");
  expect(left(root.at("gone"), stamp)).toBe("left");
  const fd = openSync(path, "r+");
  expect(left(path, stamp)).toBe("left");
  closeSync(fd);
  expect(existsSync(to)).toBe(false);
});

test("a file that changes while it is copied is left", () => {
  const to = root.at("none");
  let steps = 0;
  const meanwhile = {
    ...kernel,
    writeOut() {
      if (++steps === 1) appendFileSync(root.at("changing"), "x");
      return true;
    },
  };
  writeFileSync(root.at("changing"), bytes);
  const seen = sourceStamp(lstatSync(root.at("changing"), { bigint: true }));
  Bun.sleepSync(2_100);
  expect(readFinished({ path: root.at("changing"), stamp: seen, copy: { to, floor: 0 } }, blake3, meanwhile)).toBe("left");
  expect([steps, existsSync(to)]).toEqual([1, false]);
});

test("a file whose bytes do not reach the disk is left, since a later flush would not tell of it", () => {
  const to = root.at("none");
  const failing = { ...kernel, writeOut: () => false };
  for (const copy of [undefined, { to, floor: 0 }]) expect(readFinished({ path, stamp, copy }, blake3, failing)).toBe("left");
  expect(existsSync(to)).toBe(false);
});

test("a copy that leaves too little room is given up while it is made", () => {
  const to = root.at("none");
  expect(readFinished({ path, stamp, copy: { to, floor: Number.MAX_SAFE_INTEGER } }, blake3, kernel)).toBe("full");
  expect(existsSync(to)).toBe(false);
});

mounted("a copy on a small disk looks after a few MiB whether there is still room, and gives up when the command took it", () => {
  using _disk = mountExt4(root.at("small"), "200m");
  const to = root.at("small/none");
  let steps = 0;
  const filling = {
    ...kernel,
    writeOut(...given: Parameters<typeof kernel.writeOut>) {
      if (++steps === 3) fillDisk(root.at("small"), 10 << 10);
      return kernel.writeOut(...given);
    },
  };
  expect(readFinished({ path, stamp, copy: { to, floor: 32 << 20 } }, blake3, filling)).toBe("full");
  expect([steps, existsSync(to)]).toEqual([3, false]);
});

mounted("a copy that finds a full disk is given up", () => {
  using _disk = mountExt4(root.at("disk"), "40m");
  const to = root.at("disk/none");
  expect(readFinished({ path, stamp, copy: { to, floor: 0 } }, blake3, kernel)).toBe("full");
  expect(existsSync(to)).toBe(false);
});
