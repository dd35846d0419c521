import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { isShortage, probeDisk, troubleOf } from "../../src/domain/disk-trouble.ts";
import { fillDisk, mountSmall, needsMount } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const mounted = needsMount(test);

test.each([
  ["ENOSPC", "full", true],
  ["EDQUOT", "quota", true],
  ["EROFS", "read-only", false],
  ["EACCES", "denied", false],
  ["EIO", "failing", false],
  ["ENOENT", undefined, false],
])("%s is %p", (code, trouble, isShort) => {
  using root = temporaryRoot();
  const found = troubleOf(Object.assign(new Error(code), { code }), root.path);
  expect([found, isShortage(found)]).toEqual([trouble as typeof found, isShort]);
});

mounted("a probe finds out what a disk does not take, and leaves nothing", () => {
  using root = temporaryRoot();
  using disk = mountSmall(root.at("disk"), "1m", 12);
  expect(probeDisk(root.at("disk"))).toBeUndefined();
  fillDisk(root.at("disk"), 32);
  expect(probeDisk(root.at("disk"))).toBe("full");
  mkdirSync(root.at("disk/many"));
  for (let i = 0; ; i++)
    try {
      writeFileSync(root.at("disk/many", `${i}`), "");
    } catch {
      break;
    }
  expect(probeDisk(root.at("disk"))).toBe("no inodes");
  disk.makeReadOnly();
  expect(probeDisk(root.at("disk"))).toBe("read-only");
  expect(readdirSync(root.at("disk")).sort()).toEqual(["filler", "many"]);
});
