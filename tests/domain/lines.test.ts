import fc from "fast-check";
import { expect, test } from "bun:test";
import { linesOf } from "../../src/domain/lines.ts";

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(from, to);
    from = to;
  }
}

async function read(text: string, cuts: readonly number[] = []): Promise<string[]> {
  return await Array.fromAsync(linesOf(pieces(Buffer.from(text), cuts)));
}

test("lines end with a line feed, with or without a carriage return before it, and nowhere else", async () => {
  expect(await read("a\r\nb\n\nc\u2028d\u2029e\x85f\rg\nlast")).toEqual(["a", "b", "", "c\u2028d\u2029e\x85f\rg", "last"]);
  expect(await read("")).toEqual([]);
  expect(await read("a\n")).toEqual(["a"]);
});

test("where the stream was cut changes nothing, also inside of a character", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "binary" })), fc.array(fc.nat()), async (texts, cuts) => {
      const lines = texts.map((text) => text.replace(/[\r\n\ufeff]/g, "é"));
      expect(await read(lines.map((line) => `${line}\n`).join(""), cuts)).toEqual(lines.map((line) => line.toWellFormed()));
    }),
  );
});

test("a line without an end is refused before it fills the memory, and what came before it is given", async () => {
  let sent = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("first\n");
    for (; ; sent++) yield Buffer.alloc(1000, 120);
  }
  const lines = linesOf(endless(), 10_000);
  expect((await lines.next()).value).toBe("first");
  await expect(lines.next()).rejects.toMatchObject({ code: "VALUE_INVALID" });
  expect(sent).toBe(10);
});
