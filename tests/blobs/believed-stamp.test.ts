import { expect, test } from "bun:test";
import { isSettled, keepsExactTimes } from "../../src/blobs/believed-stamp.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

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
