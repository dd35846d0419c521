import { expect, test } from "bun:test";
import { streamJson } from "../../src/cli/stream-json.ts";

function* numbers(count: number): Generator<{ nth: number }> {
  for (let nth = 0; nth < count; nth++) yield { nth };
}

test("a document that is streamed is the one that would have been printed at once", () => {
  for (const count of [0, 1, 20_000]) {
    const chunks: string[] = [];
    const document = { schema: "coffer.x/1" as const, before: [1, "a"], left: undefined, none: null, text: "ä" };
    streamJson({ ...document, many: numbers(count), after: { deep: [] } }, (text) => chunks.push(text));
    expect(chunks.join("")).toBe(`${JSON.stringify({ ...document, many: [...numbers(count)], after: { deep: [] } })}\n`);
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThan(100_000);
  }
});
