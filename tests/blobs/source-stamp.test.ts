import { expect, test } from "bun:test";
import { lstatSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hasStamp, isSettled, keepsExactTimes, sourceStamp } from "../../src/blobs/source-stamp.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const at = (path: string) => lstatSync(path, { bigint: true });

test.each([
  ["is rewritten in place, with its times put back", (path: string) => writeFileSync(path, "bytes")],
  [
    "is replaced by another of the same size and times",
    (path: string) => {
      writeFileSync(`${path}-new`, "bytes");
      renameSync(`${path}-new`, path);
    },
  ],
  ["has other times", (path: string) => utimesSync(path, 1, 1)],
  ["has another size", (path: string) => writeFileSync(path, "byte")],
])("a file that %s has another stamp", async (_, change) => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "BYTES");
  utimesSync(root.at("f"), 5, 5);
  const stamp = sourceStamp(at(root.at("f")));
  expect(hasStamp(at(root.at("f")), stamp)).toBe(true);
  // a tick of the kernel's clock
  await Bun.sleep(20);
  change(root.at("f"));
  if (statSync(root.at("f")).mtimeMs !== 1000) utimesSync(root.at("f"), 5, 5);
  expect(hasStamp(at(root.at("f")), stamp)).toBe(false);
});

test("a ctime is settled when it is older than the coarsest clock of a file system by the time of reading, and never when it lies ahead", () => {
  const second = 1_000_000_000n;
  const now = 1_700_000_000_000;
  const ctime = BigInt(now) * 1_000_000n;
  expect([-3n, -1n, 0n, 5n, 3600n].map((seconds) => isSettled(ctime + seconds * second, now))).toEqual([true, false, false, false, false]);
});

needsMount(test)("times in memory, which writes through a mapping do not move, are not believed", () => {
  using root = temporaryRoot();
  using _memory = mountSmall(root.at("memory"), "1m");
  expect(keepsExactTimes(root.at("memory"))).toBe(false);
});
