import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { moveAway } from "../../src/blobs/move-away.ts";
import { openUp } from "../../src/blobs/open-up.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("what is there is moved, what is gone already is fine, and what cannot be moved says so", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "");
  expect([moveAway(root.at("file"), root.at("away")), existsSync(root.at("away"))]).toEqual([true, true]);
  expect(moveAway(root.at("file"), root.at("again"))).toBe(false);
  mkdirSync(root.at("directory"));
  expect(() => moveAway(root.at("directory"), root.at("away"))).toThrow("ENOTDIR");
  expect(existsSync(root.at("directory"))).toBe(true);
});

test("a closed directory is opened for its owner; the other bits stay", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("closed"));
  chmodSync(root.at("closed"), 0o055);
  openUp(root.at("closed"), statSync(root.at("closed")).mode);
  expect(statSync(root.at("closed")).mode & 0o7777).toBe(0o755);
});
