import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { branchMatches, formatExecutionPath, matchingBranches, parseExecutionPath } from "../../src/domain/execution-path.ts";
import type { ExecutionPath } from "../../src/domain/execution-path.ts";

const GOLDEN: [text: string, path: ExecutionPath][] = [
  ["0001_pls:3:all", { pipeline: "0001_pls", branch: [], step: 3, subStep: null, fold: null }],
  ["0001_pls:3:0", { pipeline: "0001_pls", branch: [], step: 3, subStep: null, fold: 0 }],
  ["0001_pls:3.1:0", { pipeline: "0001_pls", branch: [], step: 3, subStep: 1, fold: 0 }],
  ["0001_pls:0:2:3:all", { pipeline: "0001_pls", branch: [0, 2], step: 3, subStep: null, fold: null }],
  ["0001_pls:0:2:3.1:4", { pipeline: "0001_pls", branch: [0, 2], step: 3, subStep: 1, fold: 4 }],
  ["p:0:0:0", { pipeline: "p", branch: [0], step: 0, subStep: null, fold: 0 }],
  ["p:0.0:all", { pipeline: "p", branch: [], step: 0, subStep: 0, fold: null }],
  ["10000:3:0", { pipeline: "10000", branch: [], step: 3, subStep: null, fold: 0 }],
];

test.each(GOLDEN)("%s is read and written as it stands", (text, path) => {
  expect(parseExecutionPath(text)).toEqual(path);
  expect(formatExecutionPath(path)).toBe(text);
});

test.each([
  "",
  "0001",
  "0001:3",
  "0001:1_0:all",
  "0001: 3:all",
  "0001:3 :all",
  ":3:all",
  "0001:3:",
  "0001::all",
  "0001::3:all",
  "a:b:3:all",
  "0001:03:all",
  "0001:3.:all",
  "0001:.1:all",
  "0001:3.1.2:all",
  "0001:3:ALL",
  "0001:3:-1",
  "0001:3:1.5",
  "0001:3:٣",
  "0001:٣:all",
  "0001:+3:all",
  "0001:1e3:all",
  "0001:0x3:all",
  "0001:9999999999:all",
  "0001:3:all\n",
  "00 01:3:all",
  "../x:3:all",
  "a/b:3:all",
  "a\0b:3:all",
  `${"p".repeat(300)}:3:all`,
])("“%s” is refused", (text) => {
  expect(() => parseExecutionPath(text)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
});

test("what can be written is read back the same", () => {
  const number = fc.integer({ min: 0, max: 999_999_999 });
  const path = fc.record({
    pipeline: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}$/),
    branch: fc.array(number, { maxLength: 5 }),
    step: number,
    subStep: fc.option(number),
    fold: fc.option(number),
  });
  fc.assert(fc.property(path, (given) => expect(parseExecutionPath(formatExecutionPath(given))).toEqual(given)));
});

test("numbers that no id can hold are not written", () => {
  const fine = { pipeline: "p", branch: [], step: 1, subStep: null, fold: null };
  for (const bad of [{ step: -1 }, { step: 1.5 }, { fold: Number.NaN }, { branch: [-1] }, { branch: [1e21] }, { pipeline: "a:b" }])
    expect(() => formatExecutionPath({ ...fine, ...bad })).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
});

test.each([
  [[], [], true],
  [[], [0, 2], true],
  [[0], [0, 2], true],
  [[0, 2], [0, 2], true],
  [[0, 2], [0], false],
  [[1], [0, 2], false],
  [[0], [], false],
])("a record of branch %j, asked for %j: %p", (record, asked, wanted) => {
  expect(branchMatches(record, asked)).toBe(wanted);
});

test("the branches that match are just those that are said to match", () => {
  const branch = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 4 });
  fc.assert(
    fc.property(branch, branch, (record, asked) => {
      const matching = matchingBranches(asked).map((each) => JSON.stringify(each));
      expect(matching.includes(JSON.stringify(record))).toBe(branchMatches(record, asked));
    }),
  );
});
