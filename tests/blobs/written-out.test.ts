import { expect, test } from "bun:test";
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { fileSystemOf } from "../../src/domain/file-system.ts";
import { isWrittenOut } from "../../src/blobs/written-out.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const [major = 0, minor = 0] = release().split(".").map(Number);
const hasCall = process.platform === "linux" && (major > 6 || (major === 6 && minor >= 5));
const isLocal = fileSystemOf(tmpdir()).kind === "local";
if (!hasCall) console.error("skipped: the kernel does not say what of a file waits to be written");
else if (!isLocal)
  console.error("skipped: the temporary directory (TMPDIR) is on no disk of this machine, so nothing of it waits to be written");

test.skipIf(!hasCall || !isLocal)("a file is written out once it was flushed, and not before", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), Buffer.alloc(20_000, 1));
  const fd = openSync(root.at("f"), "r");
  const before = isWrittenOut(fd);
  fsyncSync(fd);
  readFileSync(root.at("f"));
  expect([before, isWrittenOut(fd)]).toEqual([false, true]);
  closeSync(fd);
});

test("of a file of which nothing is in memory, and of none at all, nothing is known", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("empty"), "");
  const fd = openSync(root.at("empty"), "r");
  expect(isWrittenOut(fd)).toBe(false);
  closeSync(fd);
  expect(isWrittenOut(fd)).toBe(false);
});
