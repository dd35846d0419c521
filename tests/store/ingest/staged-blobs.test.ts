import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { StagedBlobs } from "../../../src/store/ingest/staged-blobs.ts";

const FILE = { path: "/staging/blob-0", moved: undefined, type: "file", class: null, original: "a" };

/** Many share their first bytes, by which they are looked for. */
function digests(count: number): Buffer[] {
  return Array.from({ length: count }, (_, nth) => {
    const digest = randomBytes(32);
    if (nth % 3 === 0) digest.fill(7, 0, 6);
    return digest;
  });
}

test("each blob is found by its digest and no other, however many there are", () => {
  const blobs = new StagedBlobs();
  const given = digests(5000);
  for (const [nth, digest] of given.entries()) {
    expect(blobs.find(digest)).toBeUndefined();
    expect(blobs.addPacked(digest, nth, 512 * nth)).toBe(nth);
  }
  expect(blobs.count).toBe(given.length);
  for (const [nth, digest] of given.entries())
    expect([blobs.find(digest), blobs.sizeOf(nth), blobs.offsetOf(nth), blobs.hexOf(nth)]).toEqual([
      nth,
      nth,
      512 * nth,
      digest.toString("hex"),
    ]);
  expect(blobs.find(randomBytes(32))).toBeUndefined();
});

test("a blob is in one place: what it becomes last", () => {
  const blobs = new StagedBlobs();
  const digest = randomBytes(32);
  const blob = blobs.addKnown(digest, 10);
  expect([blobs.isKnown(blob), blobs.offsetOf(blob), blobs.files.size]).toEqual([true, undefined, 0]);
  expect(blobs.addFile(digest, 10, FILE)).toBe(blob);
  expect([blobs.isKnown(blob), blobs.offsetOf(blob), blobs.files.get(blob)]).toEqual([false, undefined, FILE]);
  expect(blobs.addPacked(digest, 10, 0)).toBe(blob);
  expect([blobs.isKnown(blob), blobs.offsetOf(blob), blobs.files.size, blobs.count]).toEqual([false, 0, 0, 1]);
});

test("what is forgotten is not found, and has its old number when it comes again", () => {
  const blobs = new StagedBlobs();
  const given = digests(10);
  for (const digest of given) blobs.addFile(digest, 1, FILE);
  blobs.forget(3);
  expect([blobs.find(given[3] as Buffer), blobs.has(3), blobs.files.size, [...blobs.byDigest()].includes(3)]).toEqual([
    undefined,
    false,
    9,
    false,
  ]);
  expect([blobs.find(given[6] as Buffer), blobs.addKnown(given[3] as Buffer, 2), blobs.sizeOf(3)]).toEqual([6, 3, 2]);
});

test("all that are here come once, in the order of the first bytes of their digests", () => {
  const blobs = new StagedBlobs();
  for (const digest of digests(3000)) blobs.addKnown(digest, 1);
  const order = [...blobs.byDigest()];
  expect(order.toSorted((a, b) => a - b)).toEqual([...Array(3000).keys()]);
  const firsts = order.map((blob) => blobs.digestOf(blob).readUInt32BE());
  expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
});
