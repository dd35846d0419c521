import * as fc from "fast-check";

/** `COFFER_TEST_RUNS=50`: fifty times as many cases as in CI. */
const FACTOR = Math.max(1, Number(process.env["COFFER_TEST_RUNS"] ?? 1));
/** `COFFER_TEST_SEED` and, as it was printed, `COFFER_TEST_PATH`: the case that failed, once more. */
const { COFFER_TEST_SEED: seed, COFFER_TEST_PATH: path } = process.env;

/** Tries a property with `usual` random values. What fails is made small, and said with the seed and the path that bring it back. */
export function holds<T>(values: fc.Arbitrary<T>, usual: number, property: (value: T) => boolean | void): void {
  fc.assert(fc.property(values, property), options<T>(usual));
}

/** The same of one that takes its time. */
export function holdsLater<T>(values: fc.Arbitrary<T>, usual: number, property: (value: T) => Promise<boolean | void>): Promise<void> {
  return fc.assert(fc.asyncProperty(values, property), options<T>(usual));
}

function options<T>(usual: number): fc.Parameters<[T]> {
  return { numRuns: usual * FACTOR, ...(seed !== undefined && { seed: Number(seed) }), ...(path !== undefined && { path }) };
}

/** Text of the pieces that a format is made of, in any order, between others: a grammar's readers meet more of their own there than in random letters. */
export function textOf(pieces: readonly string[], most = 40): fc.Arbitrary<string> {
  const odd = fc.constantFrom(
    "\0",
    "\ufeff",
    "\r\n",
    "\ud800",
    "\u2028",
    "\x1b[31m",
    "é",
    "模型",
    "\u{10ffff}",
    "%",
    "__proto__",
    "constructor",
  );
  return fc
    .array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...pieces) }, odd, fc.string({ maxLength: 4, unit: "binary" })), {
      maxLength: most,
    })
    .map((parts) => parts.join(""));
}
