import { expect, test } from "bun:test";
import { matcher } from "../../src/domain/pattern.ts";

test.each([
  ["*.log", "a.log", true],
  ["*.log", "deep/down/a.log", true],
  ["*.log", "model.logits.bin", false],
  ["*.log", "logs.log/inside.txt", true],
  ["__pycache__", "src/__pycache__/a.pyc", true],
  ["__pycache__", "src/__pycache__2/a.pyc", false],
  [".tmp", "a.tmp", false],
  [".tmp", ".tmp", true],
  [".tmp", ".tmp/x", true],
  ["models/*.pt", "models/a.pt", true],
  ["models/*.pt", "models/deep/a.pt", false],
  ["models/*.pt", "other/models/a.pt", false],
  ["models/**", "models/deep/a.pt", true],
  ["models/**/*.pt", "models/a.pt", true],
  ["logs/", "logs/a", true],
  ["logs/", "deep/logs/a", true],
  ["/logs", "logs/a", true],
  ["/logs", "deep/logs/a", false],
  ["./a/b", "a/b", true],
  ["a/b", "a/b/c/d", true],
  ["a/b", "a/bc", false],
  ["{a,b}.txt", "b.txt", true],
  ["[ab].txt", "c.txt", false],
  ["?.txt", "ab.txt", false],
  ["", "a", false],
  ["/", "a", false],
])("pattern %s, path %s: %p", (pattern, path, wanted) => {
  expect(matcher([pattern])(path)).toBe(wanted);
});

test("no pattern matches nothing, and one of several is enough", () => {
  expect(matcher([])("a")).toBe(false);
  const matches = matcher(["*.a", "x/*.b"]);
  expect(["1.a", "x/1.b", "1.b"].map(matches)).toEqual([true, true, false]);
});

test("what was asked before changes nothing", () => {
  const names = ["a", "b", "a.log", "tmp"];
  const paths = names.flatMap((one) => [
    one,
    ...names.flatMap((two) => [`${one}/${two}`, ...names.map((three) => `${one}/${two}/${three}`)]),
  ]);
  const patterns = ["*.log", "b/a", "tmp/**/b"];
  const matches = matcher(patterns);
  // there and back: from directory to directory, and from those to what lies above them
  for (const path of [...paths, ...paths.toReversed()]) expect([path, matches(path)]).toEqual([path, matcher(patterns)(path)]);
});
