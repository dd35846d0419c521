import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeTree } from "../../src/blobs/decode-tree.ts";
import { encodeTree, encodeTreeInPieces } from "../../src/blobs/encode-tree.ts";
import type { TreeEntry } from "../../src/blobs/tree.ts";

const HEX = "a".repeat(64);
const part = fc
  .string({ unit: "binary", minLength: 1, maxLength: 12 })
  .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== "..");
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const mode = fc.integer({ min: 0, max: 0o777 });
const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });
const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record({ kind: fc.constant("file" as const), path, mode, hex, size: fc.maxSafeNat().filter((size) => size < 1e16) }),
  fc.record({ kind: fc.constant("directory" as const), path, mode }),
  fc.record({ kind: fc.constant("link" as const), path, target: part }),
);

/** A set of entries that a file system could hold: no path twice, nothing below what is no directory. */
const tree = fc.uniqueArray(entry, { selector: ({ path: own }) => own, maxLength: 20 }).map((entries) => {
  const leaves = new Set(entries.filter(({ kind }) => kind !== "directory").map(({ path: own }) => own));
  return entries.filter(({ path: own }) => !own.split("/").some((_, end, parts) => end > 0 && leaves.has(parts.slice(0, end).join("/"))));
});

const bytewise = (a: TreeEntry, b: TreeEntry) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));

test("what is written is read back, sorted by the bytes of the paths, whatever characters they have", () => {
  fc.assert(fc.property(tree, (entries) => expect(decodeTree(encodeTree(entries))).toEqual(entries.toSorted(bytewise))));
});

test("names with the line breaks that JSON does not know as such are read back", () => {
  const name = "a\u2028b\u2029c\u0085d\re\nf";
  const entries: TreeEntry[] = [
    { kind: "file", path: name, mode: 0o644, hex: HEX, size: 1 },
    { kind: "directory", path: `${name}-directory`, mode: 0o700 },
    { kind: "link", path: `${name}-link`, target: name },
  ];
  expect(decodeTree(encodeTree(entries))).toEqual(entries);
});

test("one directory has one form, in whatever order it was listed", () => {
  const shuffled = tree.chain((entries) => fc.tuple(fc.constant(entries), fc.shuffledSubarray(entries, { minLength: entries.length })));
  fc.assert(fc.property(shuffled, ([entries, other]) => expect(encodeTree(other)).toEqual(encodeTree(entries))));
});

test("in pieces it is the same list, the files in the order of JavaScript and the rest in any", () => {
  const inPieces = (entries: readonly TreeEntry[]): Buffer[] => {
    const files = entries.filter(({ kind }) => kind === "file").toSorted((a, b) => (a.path < b.path ? -1 : 1));
    return encodeTreeInPieces(
      () => files,
      entries.filter(({ kind }) => kind !== "file"),
    );
  };
  fc.assert(fc.property(tree, (entries) => expect(Buffer.concat(inPieces(entries)).toString()).toBe(encodeTree(entries).toString())));
  const many = Array.from({ length: 5000 }, (_, nth): TreeEntry => {
    const name = `${nth}${nth % 50 === 0 ? "é\n".repeat(nth) : ""}`;
    return nth % 7 === 0
      ? { kind: "link", path: name, target: "0".repeat(nth) + nth }
      : { kind: "file", path: name, mode: 0o640, hex: HEX, size: nth };
  });
  expect(inPieces(many).length).toBeGreaterThan(2);
  expect(Buffer.concat(inPieces(many)).equals(encodeTree(many))).toBe(true);
});

test("this is the form", () => {
  const entries: TreeEntry[] = [
    { kind: "file", path: "b/new\nline", mode: 0o755, hex: HEX, size: 12 },
    { kind: "directory", path: "empty", mode: 0o700 },
    { kind: "link", path: "a", target: "b/x" },
    { kind: "file", path: "b/é", mode: 0o644, hex: HEX, size: 0 },
  ];
  expect(encodeTree(entries).toString()).toBe(
    `coffer tree 1\n120000 "a" "b/x"\n100755 ${HEX} 12 "b/new\\nline"\n100644 ${HEX} 0 "b/é"\n040700 "empty"\n`,
  );
});
