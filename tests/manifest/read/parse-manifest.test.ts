import { expect, test } from "bun:test";
import { parseManifest } from "../../../src/manifest/read/parse-manifest.ts";

const read = (text: string): unknown => parseManifest(text, "m.yaml").tree;
const refusal = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it was taken");
};

test('a quoted "<<" is a key like any other, and a value too', () => {
  expect(read('a: {"<<": {x: 1}, b: 2}\nc: "<<"\nd: \'say "<<": x\'')).toEqual({
    a: { "<<": { x: 1 }, b: 2 },
    c: "<<",
    d: 'say "<<": x',
  });
  expect(read('a: {"\\x3c\\u003C": {x: 1}}')).toEqual({ a: { "<<": { x: 1 } } });
  expect(read("a: {'<<': {x: 1}}")).toEqual({ a: { "<<": { x: 1 } } });
  expect(read("a: &a {x: 1}\nb: {<<: *a, y: 2}")).toEqual({ a: { x: 1 }, b: { x: 1, y: 2 } });
});

test.each([
  ["a bracket that is never closed", "a: [1, 2\nb: {", /line 2, column 1/],
  ["a quote that is never closed", 'a: 1\nb: "half', /line [23]/],
  ["a list", "- 1\n", /a list/],
  ["two documents", "a: 1\n---\nb: 2\n", /several documents/],
  ["nothing", "", /no keys/],
  ["a word", "manifest\n", /no keys/],
  ["bytes of a binary", "a: \0", /no text/],
  ["an alias that names what it stands in", "a: &a [*a]\n", /nested too deeply/],
  ["twenty thousand brackets", `a: ${"[".repeat(20_000)}${"]".repeat(20_000)}\n`, /nested too deeply/],
  ["twenty thousand dashes", `a:\n ${"- ".repeat(20_000)}b\n`, /nested too deeply/],
  ["twenty thousand question marks", `${"? ".repeat(20_000)}b\n`, /nested too deeply/],
  ["a text with aliases that would fill the memory", `s: &s "${"A".repeat(1 << 20)}"\nt: [${"*s,".repeat(3000)}1]\n`, /longer than 64 MiB/],
  ["a map with such aliases", `s: &s {a: ${"A".repeat(1 << 20)}}\nt: [${"*s,".repeat(3000)}1]\n`, /longer than 64 MiB/],
  ["nested aliases that would grow to a billion values", bomb(), /alias/i],
])("%s is refused with a place or a reason", (_, text, words) => {
  expect(refusal(text)).toMatch(/^m\.yaml: /);
  expect(refusal(text)).toMatch(words);
});

test("whole numbers that lose digits are counted, and numbers beyond all bounds are infinite", () => {
  expect(parseManifest("a: 12345678901234567890\nb: 9007199254740991\nc: 1e400", "m.yaml")).toEqual({
    tree: { a: Number("12345678901234567890"), b: 9007199254740991, c: Infinity },
    inexact: 2,
  });
});

test("a whole number that reads like one with an exponent is counted, one with an exponent is not", () => {
  expect(parseManifest("a: 1234567890123456789012345\nb: 1e30\nc: .inf\nd: -.INF", "m.yaml").inexact).toBe(1);
});

test("of a key that stands twice the last counts, as PyYAML takes it", () => {
  expect(read("a: 1\na: 2\n")).toEqual({ a: 2 });
});

test("keys such as __proto__ are keys", () => {
  const tree = read("__proto__: {polluted: 1}\nconstructor: 2\n") as object;
  expect(Object.keys(tree)).toEqual(["__proto__", "constructor"]);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

function bomb(): string {
  const lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"];
  for (let level = 1; level < 9; level++)
    lines.push(
      `a${level}: &a${level} [${Array<string>(9)
        .fill(`*a${level - 1}`)
        .join(",")}]`,
    );
  return `${lines.join("\n")}\n`;
}
