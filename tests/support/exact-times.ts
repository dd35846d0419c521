import { tmpdir } from "node:os";
import type { test as bunTest } from "bun:test";
import { keepsExactTimes } from "../../src/blobs/believed-stamp.ts";

/** `needsExactTimes(test)`: tests that are skipped aloud where the temporary directory lies on a file system on which nothing is read ahead, and fail there under CI=true. */
export function needsExactTimes(test: typeof bunTest): typeof bunTest {
  if (keepsExactTimes(tmpdir()) || process.env["CI"] === "true") return test;
  console.error("skipped: the temporary directory's file system has no exact times (TMPDIR), so nothing is read ahead there");
  return test.skip as typeof bunTest;
}
