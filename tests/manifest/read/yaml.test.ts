import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { parse } from "yaml";
import { toYaml } from "../../../src/manifest/read/yaml.ts";
import type { Plain } from "../../../src/manifest/read/yaml.ts";

/** Words that some YAML reader takes for something else than text. */
const TRICKY = [
  "10000:3:0",
  "1:30",
  "yes",
  "no",
  "on",
  "off",
  "null",
  "~",
  "true",
  "1.10",
  "1e3",
  "0x10",
  "0o7",
  ".inf",
  ".nan",
  "2026-01-01",
  "- a",
  "a: b",
  "#c",
  "&a",
  "*a",
  "!t",
  "%",
  "@",
  "`",
  "",
  " ",
  " a ",
  "a\nb",
  "\t",
  "'",
  '"',
  "\\",
  "\0",
  "\x7f",
  "\x85",
  "\u2028",
  "\ufeff",
  "\ufffe",
  "\uffff",
  "k".repeat(1100),
  "é",
  "模型",
  "\ud83d\ude00",
  "---",
  "...",
  "<<",
  "=",
];

const text = fc.oneof(
  fc.constantFrom(...TRICKY),
  fc.string({ unit: "binary", maxLength: 20 }).filter((value) => value.isWellFormed()),
);
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noNaN: true }).map((value) => value + 0),
  fc.boolean(),
  fc.constant(null),
);
const { value } = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(text, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const document = fc.dictionary(text, value, { minKeys: 1, maxKeys: 5, noNullPrototype: true }) as fc.Arbitrary<Record<string, Plain>>;

test("what is written is read back the same, by Bun and by a YAML 1.1 reader", () => {
  fc.assert(
    fc.property(document, (given) => {
      const written = toYaml(given);
      // Bun 1.4.4 merges a quoted "<<", which is text to every other reader
      if (!written.includes('"<<":')) expect(Bun.YAML.parse(written)).toEqual(given);
      expect(parse(written, { version: "1.1" })).toEqual(given);
    }),
    { numRuns: 300 },
  );
});

const python = Bun.which("python3");
const hasPyYaml = python !== null && Bun.spawnSync([python, "-c", "import yaml"], { stderr: "ignore" }).exitCode === 0;
if (!hasPyYaml) console.error("skipped: there is no PyYAML to read a manifest with");
test.skipIf(!hasPyYaml)("PyYAML reads every tricky word as the text that it is", () => {
  const written = toYaml({ values: TRICKY, keys: Object.fromEntries(TRICKY.map((word, index) => [word, index])) });
  const read = Bun.spawnSync(
    [python as string, "-c", "import sys, yaml, json; print(json.dumps(yaml.safe_load(sys.stdin.buffer.read())))"],
    { stdin: Buffer.from(written) },
  );
  expect(JSON.parse(read.stdout.toString()) as object).toEqual({
    values: TRICKY,
    keys: Object.fromEntries(TRICKY.map((word, index) => [word, index])),
  });
});

test("this is how it looks", () => {
  expect(
    toYaml({
      id: "10000:3:0",
      n: 1,
      none: null,
      left_out: undefined,
      empty: {},
      list: [1, "a", null],
      items: [{ a: "x", b: { c: [] } }, {}, ["y"]],
      "odd key": Number.NaN,
      yes: -Infinity,
    }),
  ).toBe(
    'id: "10000:3:0"\n"n": 1\nnone: null\nempty: {}\nlist: [1, "a", null]\nitems:\n- a: "x"\n  b:\n    c: []\n- {}\n- ["y"]\n"odd key": .nan\n"yes": -.inf\n',
  );
});
