import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { closest } from "../../src/domain/closest.ts";

const COMMANDS = ["run", "log", "runs", "show", "get", "stats", "verify", "restore"];

test.each([
  ["verfy", "verify"],
  ["verifiy", "verify"],
  ["vreify", "verify"],
  ["STATS", "stats"],
  ["stat", "stats"],
  ["lgo", "log"],
  ["resotre", "restore"],
  ["frobnicate", undefined],
  ["", undefined],
])("who types “%s” means %p", (text, wanted) => {
  expect(closest(text, COMMANDS)).toBe(wanted);
});

test("a word that is there is nearest to itself, and nothing is near among nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (words) =>
      expect(closest(words[0] as string, words)?.toLowerCase()).toBe((words[0] as string).toLowerCase()),
    ),
  );
  expect(closest("run", [])).toBeUndefined();
});
