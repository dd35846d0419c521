import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { journalLines } from "../../../src/store/database/journal-lines.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";

function linesOf(text: string | Uint8Array, longest?: number): [string, number | undefined, boolean, boolean][] {
  using root = temporaryRoot();
  writeFileSync(root.at("journal"), text);
  return [...journalLines(root.at("journal"), longest)].map(({ text: line, seq, isWhole, isTooLong }) => [line, seq, isWhole, isTooLong]);
}

test("each line has its number, also one that a crash cut off; the last needs no end", () => {
  expect(linesOf('{"seq":1,"a":1}\r\n\n{"seq":2,"b\n{"se\n{"seq":3,"c":"\u2028"}')).toEqual([
    ['{"seq":1,"a":1}', 1, true, false],
    ["", undefined, false, false],
    ['{"seq":2,"b', 2, false, false],
    ['{"se', undefined, false, false],
    ['{"seq":3,"c":"\u2028"}', 3, true, false],
  ]);
  expect(linesOf("")).toEqual([]);
});

test("where the file is read in pieces, lines and characters stay whole", () => {
  const long = `{"seq":1,"a":"${"é\u{1f600}".repeat(700_000)}"}`;
  const short = Array.from({ length: 3 }, (_, nth) => `{"seq":${nth + 2}}`);
  expect(linesOf([long, ...short].join("\n")).map(([text]) => text)).toEqual([long, ...short]);
});

test("of a line that is too long its beginning is given, and what follows it is read", () => {
  const lines = linesOf(`{"seq":7,"a":"${"x".repeat(5 << 20)}"}\n{"seq":8,}\n{"seq":9,"b":"${"y".repeat(3000)}"}`, 2000);
  expect(lines.map(([text, ...rest]) => [text.slice(0, 14), text.length <= 1024, ...rest])).toEqual([
    ['{"seq":7,"a":"', true, 7, false, true],
    ['{"seq":8,}', true, 8, true, false],
    ['{"seq":9,"b":"', true, 9, false, true],
  ]);
});

test("what is no file in its place is refused, and not waited for", () => {
  using root = temporaryRoot();
  Bun.spawnSync(["mkfifo", root.at("fifo")]);
  expect(() => [...journalLines(root.at("fifo"))]).toThrow("not a regular file");
  expect(() => [...journalLines(root.path)]).toThrow("not a regular file");
  expect([...journalLines(root.at("none"))]).toEqual([]);
});
