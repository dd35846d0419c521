import { expect, test } from "bun:test";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { splitWords } from "../../src/cli/split-words.ts";
import type { Word } from "../../src/cli/split-words.ts";

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  output: { type: "string", short: "o" },
  name: { type: "string" },
  json: { type: "boolean" },
} as const;

function split(argv: readonly string[]): Word[] {
  return splitWords(argv, {
    ofLetter: (letter) => Object.entries(OPTIONS).find(([, option]) => "short" in option && option.short === letter)?.[0],
    takesValue: (name) => Object.hasOwn(OPTIONS, name) && OPTIONS[name as keyof typeof OPTIONS].type === "string",
  });
}

/** The same by node:util, which is too slow to load at each start. */
function splitByNode(argv: readonly string[]): Word[] {
  const { tokens } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: false, tokens: true });
  return tokens.flatMap((token): Word[] => {
    if (token.kind === "positional") return [{ kind: "word", value: token.value }];
    if (token.kind === "option-terminator") return [];
    return [{ kind: "flag", name: token.name, raw: token.rawName, value: token.value, isGlued: token.inlineValue ?? false }];
  });
}

const known = fc.constantFrom(
  "--name",
  "--output",
  "-o",
  "-h",
  "-oFILE",
  "-ho",
  "-hoFILE",
  "--json",
  "--name=a=b",
  "--json=x",
  "--",
  "-",
  "",
  "-1",
  "---",
  "x",
);
const any = fc.stringMatching(/^-{0,3}[a-z=]{0,4}$/);

test("words are cut as node:util cuts them", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(known, any), { maxLength: 6 }), (argv) => expect(split(argv)).toEqual(splitByNode(argv))),
    { numRuns: 3000 },
  );
});

test("letters may stand together, and the last may have its value", () => {
  expect(split(["-hoFILE", "word", "-o", "--json"])).toEqual([
    { kind: "flag", name: "help", raw: "-h", value: undefined, isGlued: false },
    { kind: "flag", name: "output", raw: "-o", value: "FILE", isGlued: true },
    { kind: "word", value: "word" },
    { kind: "flag", name: "output", raw: "-o", value: "--json", isGlued: false },
  ]);
});
