import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeTree, treeEntries } from "../../src/blobs/decode-tree.ts";
import { encodeTree } from "../../src/blobs/encode-tree.ts";
import type { TreeEntry } from "../../src/blobs/tree.ts";

const HEX = "a".repeat(64);

const list = (...lines: string[]) => Buffer.from(`coffer tree 1\n${lines.map((line) => `${line}\n`).join("")}`);
const file = (json: string) => `100644 ${HEX} 1 ${json}`;

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
  expect(inOrder).toEqual(entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))));
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
