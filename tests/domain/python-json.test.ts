import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { parsePythonJson } from "../../src/domain/python-json.ts";

test("NaN and the infinities are numbers, wherever a value may stand", () => {
  expect(parsePythonJson('{"a": NaN, "b": [Infinity, -Infinity, {"c": NaN}], "d": 1}')).toEqual({
    a: Number.NaN,
    b: [Infinity, -Infinity, { c: Number.NaN }],
    d: 1,
  });
  expect(parsePythonJson(" -Infinity ")).toBe(-Infinity);
});

test("these words inside strings and keys stay words", () => {
  expect(parsePythonJson('{"NaN": "NaN", "x\\"Infinity": "-Infinity, NaN", "y": NaN}')).toEqual({
    NaN: "NaN",
    'x"Infinity': "-Infinity, NaN",
    y: Number.NaN,
  });
});

test("a key __proto__ is a key like any other", () => {
  const value = parsePythonJson('{"__proto__": {"polluted": NaN}}') as object;
  expect(Object.keys(value)).toEqual(["__proto__"]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test.each(["", "{", "[NaN", "{'a': 1}", "nan", "+Infinity", "NaNs", "--Infinity", "True", "[1,]", "NaN NaN"])("%s is refused", (text) => {
  expect(() => parsePythonJson(text)).toThrow(SyntaxError);
});

test("JSON is read as it is", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => expect(parsePythonJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)))),
  );
});

test("what Python writes is read, numbers that JSON has no word for included", () => {
  const leaf = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null));
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof({ depthSize: "small" }, leaf, fc.array(tie("tree")), fc.dictionary(fc.string(), tie("tree"))),
  }));
  fc.assert(fc.property(tree, (value) => expect(withoutMinusZero(parsePythonJson(dump(value)))).toEqual(withoutMinusZero(value))));
});

/** As `json.dumps` writes it. */
function dump(value: unknown): string {
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : String(value);
  if (Array.isArray(value)) return `[${value.map(dump).join(", ")}]`;
  if (value !== null && typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, inner]) => `${JSON.stringify(key)}: ${dump(inner)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

function withoutMinusZero(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutMinusZero(inner)]));
  return value;
}

test("a long text beside a NaN is read, and nesting without an end is an error like any other", () => {
  const long = "a\\n".repeat(2_000_000);
  expect(parsePythonJson(`{"text": "${long}", "loss": NaN}`)).toEqual({ text: long.replaceAll("\\n", "\n"), loss: NaN });
  expect(() => parsePythonJson(`${"[".repeat(100_000)}NaN${"]".repeat(100_000)}`)).toThrow(SyntaxError);
});
