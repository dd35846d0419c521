import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatDigest, parseDigest, parseDigestPrefix } from "../../src/domain/digest.ts";
import { CofferError } from "../../src/domain/error.ts";

const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });

test("a digest is written and read back", () => {
  fc.assert(
    fc.property(fc.constantFrom("blake3" as const, "sha256" as const), hex, (algorithm, digits) => {
      expect(parseDigest(formatDigest({ algorithm, hex: digits }))).toEqual({ algorithm, hex: digits });
    }),
  );
});

test.each([
  "",
  "blake3:",
  "blake3:12",
  `md5:${"a".repeat(64)}`,
  `blake3:${"A".repeat(64)}`,
  `blake3:${"a".repeat(63)}`,
  `blake3:${"a".repeat(65)}`,
  ` blake3:${"a".repeat(64)}`,
  `blake3:${"a".repeat(64)}\n`,
  "a".repeat(64),
])("“%s” is no digest", (text) => {
  expect(() => parseDigest(text)).toThrow(CofferError);
});

test.each([
  ["blake3:3fa4", { algorithm: "blake3", hex: "3fa4" }],
  [`sha256:${"0".repeat(64)}`, { algorithm: "sha256", hex: "0".repeat(64) }],
  ["blake3:3fa", undefined],
  ["blake3:xyz1", undefined],
  ["blake3", undefined],
  ["3fa4", undefined],
  [`blake3:${"0".repeat(65)}`, undefined],
] as const)("the beginning of a digest: %s", (text, wanted) => {
  expect(parseDigestPrefix(text)).toEqual(wanted);
});
