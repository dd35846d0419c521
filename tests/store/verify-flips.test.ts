import { chmodSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import fc from "fast-check";
import * as damage from "../../src/db/bytes/damage.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { openTestStore } from "../support/store.ts";
import { ALL, below, small } from "./damaged-store.ts";

test("whichever bit is flipped, and wherever a file is cut, verify finds it, and forgets it when it is whole again", async () => {
  using stored = await openTestStore();
  await stored.add({ bytes: "one file" });
  await stored.add({ bytes: Buffer.alloc(300_000, 3) });
  await stored.add({ files: { a: "a", "b/c": "c" } });
  await stored.add({ files: small(35) });
  const files = below(stored, "binaries").map((name) => stored.store.path("binaries", name));
  expect(files.length).toBe(6);
  const change = (path: string, work: () => void): void => {
    const { atime, mtime } = statSync(path);
    chmodSync(path, 0o644);
    work();
    chmodSync(path, 0o444);
    utimesSync(path, atime, mtime);
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.option(fc.integer({ min: 0, max: 7 }), { freq: 4 }),
      async (path, where, bit) => {
        const whole = readFileSync(path);
        const at = Math.floor(where * whole.length);
        change(path, () => {
          if (bit === null) return truncateSync(path, at);
          const hurt = Buffer.from(whole);
          hurt[at] = (hurt[at] as number) ^ (1 << bit);
          writeFileSync(path, hurt);
        });
        const found = await verify(stored.store, ALL);
        expect(found.damage.map((one) => one.path)).toContain(path);
        change(path, () => writeFileSync(path, whole));
        expect([(await verify(stored.store, ALL)).damage, damage.all(stored.store.db).size]).toEqual([[], 0]);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);
