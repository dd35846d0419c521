import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { checkKey, parseAssignment, parseMetric, parseNumber } from "../../src/domain/assignment.ts";

test.each([
  ["lr=0.1", ["lr", "0.1"]],
  ["lr=", ["lr", ""]],
  ["a=b=c", ["a", "b=c"]],
  ["a b= c ", ["a b", " c "]],
  ["text=two\nlines", ["text", "two\nlines"]],
] as const)("%j is a key and a value", (text, wanted) => {
  expect(parseAssignment("param", text)).toEqual([...wanted]);
});

test.each(["", "lr", "=0.1", "="])("%j is no assignment, and the error shows how one is written", (text) => {
  expect(() => parseAssignment("param", text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID", hint: "write --param key=value" }));
});

test.each([
  ["loss=0.31", { key: "loss", value: 0.31, step: 0 }],
  ["loss=0.31@12", { key: "loss", value: 0.31, step: 12 }],
  ["loss=1e-5@-1", { key: "loss", value: 1e-5, step: -1 }],
  ["val/loss=.5", { key: "val/loss", value: 0.5, step: 0 }],
  ["loss=NaN", { key: "loss", value: Number.NaN, step: 0 }],
  ["loss=-inf@3", { key: "loss", value: -Infinity, step: 3 }],
  ["m@p=1", { key: "m@p", value: 1, step: 0 }],
])("%s is a metric", (text, wanted) => {
  expect(parseMetric(text)).toEqual(wanted);
});

test.each([
  "loss",
  "=1",
  "loss=",
  "loss=x",
  "loss=1@",
  "loss=1@x",
  "loss=1@1.5",
  "loss=1@2@3",
  "loss=0x10",
  "loss=1_000",
  "loss=1,5",
  "loss=@3",
])("%s is no metric", (text) => {
  expect(() => parseMetric(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
});

test("a step beyond 2^53 is refused, since it could not be kept exactly", () => {
  expect(parseMetric("a=1@9007199254740991").step).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => parseMetric("a=1@9007199254740993")).toThrow("too large");
});

test("every number that is written is read back", () => {
  fc.assert(fc.property(fc.double(), (value) => expect(parseNumber(String(value))).toBe(value === 0 ? parseNumber("0") : value)));
});

test.each(["", " ", "\t", "a\nb", "a\0", "x".repeat(251)])("%j is no key", (key) => {
  expect(() => checkKey("tag", key)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
});
