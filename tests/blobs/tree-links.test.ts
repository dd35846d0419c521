import { expect, test } from "bun:test";
import { decodeTree } from "../../src/blobs/decode-tree.ts";
import { encodeTree } from "../../src/blobs/encode-tree.ts";
import type { TreeEntry } from "../../src/blobs/tree.ts";
import { linksThatLeave, linkStaysInside } from "../../src/blobs/tree-links.ts";

test("a link that leads out by way of another one is found, wherever that one stands; loops and links that stay inside are not", () => {
  const link = (own: string, target: string): TreeEntry => ({ kind: "link", path: own, target });
  const top = link("p/q", "..");
  expect(linksThatLeave([top, link("esc", "p/q/../OUT"), link("fine", "p/q/OUT"), link("z/y", "../esc/x")])).toEqual(["esc", "z/y"]);
  expect(linksThatLeave([link("a", "b/x/.."), link("b", "a/.."), link("self", "self/..")])).toEqual([]);
  expect(() => decodeTree(encodeTree([top, link("esc", "p/q/../OUT")]))).toThrow("a link leaves it");
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
