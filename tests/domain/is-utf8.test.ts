import { expect, test } from "bun:test";
import { isUtf8 as knows } from "node:buffer";
import fc from "fast-check";
import { isUtf8 } from "../../src/domain/is-utf8.ts";

test("it says of any bytes what node:buffer says", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => isUtf8(Buffer.from(bytes)) === knows(bytes)));
});

test("text is UTF-8, also where it holds the character that stands for a fault", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => isUtf8(Buffer.from(`${text}\uFFFD`))));
});

test("a byte order mark, half a character and half a surrogate pair are told apart", () => {
  const bytes = { mark: [0xef, 0xbb, 0xbf, 0x61], half: [0x61, 0xe2, 0x82], surrogate: [0xed, 0xa0, 0x80] };
  expect(Object.values(bytes).map((some) => isUtf8(Buffer.from(some)))).toEqual([true, false, false]);
});
