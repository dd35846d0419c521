import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeTree, encodeTree, encodeTreeInPieces, linksThatLeave, linkStaysInside, treeEntries } from "../../src/blobs/tree.ts";
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

const list = (...lines: string[]) => Buffer.from(`coffer tree 1\n${lines.map((line) => `${line}\n`).join("")}`);
const file = (json: string) => `100644 ${HEX} 1 ${json}`;

test("a link that leads out by way of another one is found, wherever that one stands; loops and links that stay inside are not", () => {
  const link = (own: string, target: string): TreeEntry => ({ kind: "link", path: own, target });
  const top = link("p/q", "..");
  expect(linksThatLeave([top, link("esc", "p/q/../OUT"), link("fine", "p/q/OUT"), link("z/y", "../esc/x")])).toEqual(["esc", "z/y"]);
  expect(linksThatLeave([link("a", "b/x/.."), link("b", "a/.."), link("self", "self/..")])).toEqual([]);
  expect(() => decodeTree(encodeTree([top, link("esc", "p/q/../OUT")]))).toThrow("a link leaves it");
});

test.each([
  ["no bytes", Buffer.alloc(0)],
  ["another first line", Buffer.from("coffer tree 2\n")],
  ["no line break at the end", Buffer.from(`coffer tree 1\n${file('"a"')}`)],
  ["bytes that are not UTF-8", Buffer.concat([list(), Buffer.from([0x31, 0xff, 0x0a])])],
  ["a byte order mark", Buffer.concat([Buffer.from("\ufeff"), list()])],
  ["a line of another kind", list('160000 "a"')],
  ["an absolute path", list(file('"/etc/passwd"'))],
  ["a path that leads up", list(file('"../x"'))],
  ["a path that leads up in its middle", list(file('"a/../../x"'))],
  ["an empty path", list(file('""'))],
  ["an empty part", list(file('"a//b"'))],
  ["a dot", list(file('"a/./b"'))],
  ["a NUL", list(file('"a\\u0000b"'))],
  ["a NUL in a directory's name", list('040755 "a\\u0000"')],
  ["a path that is no string", list(file('["a"]'))],
  ["a path that is not JSON", list(file('"\\x"'))],
  ["a digest too short", list('100644 abcd 1 "a"')],
  ["a negative size", list(`100644 ${HEX} -1 "a"`)],
  ["a setuid bit", list(`104755 ${HEX} 1 "a"`)],
  ["a link to an absolute path", list('120000 "a" "/etc"')],
  ["a link that leads up", list('120000 "a" "../x"')],
  ["a link that leads up from below", list('120000 "a/b" "../../x"')],
  ["a link to nothing", list('120000 "a" ""')],
  ["a path that is there twice", list(file('"a"'), file('"a"'))],
  ["a file below a link", list('120000 "a" "b"', file('"a/x"'))],
  ["a file far below a link", list('120000 "a" "b"', file('"a/b/c/x"'))],
  ["a file below a file", list(file('"a"'), file('"a/x"'))],
  ["a file below a file, with others between them", list(file('"a"'), file('"a!"'), file('"a!b"'), file('"a-/c"'), file('"a/x"'))],
  ["a file below a file that stands behind it", list(file('"a/x"'), file('"a"'))],
  ["a path that is there twice, unsorted", list(file('"b"'), file('"a"'), file('"b"'))],
  ["an empty line", list(file('"a"'), "", file('"b"'))],
])("a list with %s is refused as damaged", (_, bytes) => {
  expect(() => decodeTree(bytes)).toThrow(expect.objectContaining({ code: "CORRUPT" }));
});

test("a list is read in the order that it has, sorted or not, however long it is", () => {
  const entries = Array.from({ length: 3000 }, (_, nth): TreeEntry => ({
    kind: "file",
    path: `${nth % 7}/${nth}`,
    mode: 0o644,
    hex: HEX,
    size: nth,
  }));
  const lines = encodeTree(entries).toString().split("\n").slice(1, -1);
  const inOrder = decodeTree(list(...lines));
  expect(inOrder).toEqual(entries.toSorted(bytewise));
  expect(decodeTree(list(...lines.toReversed()))).toEqual(inOrder.toReversed());
});

test("entries are given one by one, until one is wrong", () => {
  const given: string[] = [];
  const read = (): void => {
    for (const { path: own } of treeEntries(list(file('"a"'), file('"b"'), file('"../c"'), file('"d"')))) given.push(own);
  };
  expect(read).toThrow(expect.objectContaining({ code: "CORRUPT" }));
  expect(given).toEqual(["a", "b"]);
});

test("no list of bytes does anything else than be read or be refused", () => {
  const line = fc.oneof(fc.string(), fc.constantFrom(file('"a"'), '040755 "b"', '120000 "c" "d"', file('"c/e"')));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        decodeTree(list(...lines));
      } catch (error) {
        expect(error).toMatchObject({ code: "CORRUPT" });
      }
    }),
  );
});

test.each([
  ["a", "b", true],
  ["a", "./b", true],
  ["a", "", true],
  ["d/a", "../b", true],
  ["d/a", "..", true],
  ["a", "..", false],
  ["a", "b/../..", false],
  ["a", "../d/b", false],
  ["d/e/a", "../../x", true],
  ["d/e/a", "../../../x", false],
  ["a", "/d/b", false],
  ["a", "..b", true],
])("a link at %s to %s stays inside: %p", (at, target, stays) => {
  expect(linkStaysInside(at, target)).toBe(stays);
});
