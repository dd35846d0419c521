import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeInNewPlace } from "../../src/blobs/new-place.ts";
import { takeBeside } from "../../src/blobs/place-beside.ts";
import { self } from "../../src/domain/process-identity.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const DEAD = JSON.stringify({ ...self(), start: "1", pid: 4_194_304 });

/** What is there of a call says of itself that it is another process's. */
function setOwner(path: string, words: string): void {
  const owner = path.replace(/tmp$/, "owner");
  rmSync(owner);
  symlinkSync(words, owner);
}

test("what a killed process left on its way to a place goes with the next call for that place, and with no other", async () => {
  using root = temporaryRoot();
  const { path } = takeBeside(root.at("target"));
  mkdirSync(path);
  writeFileSync(join(path, "half"), "half");
  setOwner(path, DEAD);
  await makeInNewPlace(root.at("another"), "file", (beside) => writeFileSync(beside, "whole"));
  expect(readdirSync(root.path)).toHaveLength(3);
  await makeInNewPlace(root.at("target"), "file", (beside) => writeFileSync(beside, "whole"));
  expect(readdirSync(root.path).toSorted()).toEqual(["another", "target"]);
});

test("what a live process is writing stays, beside what others left, and each writes under a name of its own", () => {
  using root = temporaryRoot();
  using first = takeBeside(root.at("target"));
  writeFileSync(first.path, "first");
  {
    using second = takeBeside(root.at("target"));
    expect(second.path).not.toBe(first.path);
    writeFileSync(second.path, "second");
  }
  setOwner(takeBeside(root.at("target")).path, DEAD);
  {
    using third = takeBeside(root.at("target"));
    expect(third.path).not.toBe(first.path);
    writeFileSync(third.path, "third");
  }
  expect(readFileSync(first.path, "utf8")).toBe("first");
  expect(readdirSync(root.path)).toHaveLength(2);
});

test("a call that was killed before it wrote anything leaves nothing either", () => {
  using root = temporaryRoot();
  setOwner(takeBeside(root.at("target")).path, DEAD);
  takeBeside(root.at("target"))[Symbol.dispose]();
  expect(readdirSync(root.path)).toEqual([]);
});

test("an owner that nobody can make sense of counts as alive", () => {
  using root = temporaryRoot();
  const { path } = takeBeside(root.at("target"));
  writeFileSync(path, "there");
  for (const words of ["half", "null", "[]", '{"pid": "x"}']) {
    setOwner(path, words);
    takeBeside(root.at("target"))[Symbol.dispose]();
    expect(readFileSync(path, "utf8")).toBe("there");
  }
});
