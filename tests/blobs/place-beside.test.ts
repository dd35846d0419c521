import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeInNewPlace } from "../../src/blobs/new-place.ts";
import { takeBeside } from "../../src/blobs/place-beside.ts";
import { self } from "../../src/domain/process-identity.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

/** Makes what is there of a call look like that of a process which is gone. */
function leaveBehind(path: string): void {
  mkdirSync(path);
  writeFileSync(join(path, "half"), "half");
  writeFileSync(path.replace(/tmp$/, "owner"), JSON.stringify({ ...self(), start: "1", pid: 4_194_304 }));
}

test("what a killed process left on its way to a place goes with the next call for that place, and with no other", async () => {
  using root = temporaryRoot();
  leaveBehind(takeBeside(root.at("target")).path);
  await makeInNewPlace(root.at("another"), "file", (beside) => writeFileSync(beside, "whole"));
  expect(readdirSync(root.path)).toHaveLength(3);
  await makeInNewPlace(root.at("target"), "file", (beside) => writeFileSync(beside, "whole"));
  expect(readdirSync(root.path).toSorted()).toEqual(["another", "target"]);
});

test("what a live process is writing stays, and a second one writes under a name of its own", () => {
  using root = temporaryRoot();
  using first = takeBeside(root.at("target"));
  writeFileSync(first.path, "first");
  {
    using second = takeBeside(root.at("target"));
    expect(second.path).not.toBe(first.path);
    writeFileSync(second.path, "second");
  }
  expect(readFileSync(first.path, "utf8")).toBe("first");
  expect(readdirSync(root.path)).toHaveLength(2);
});

test("an owner that nobody can make sense of counts as alive", () => {
  using root = temporaryRoot();
  const { path } = takeBeside(root.at("target"));
  for (const words of ["", "null", "[]", '{"pid": "x"}']) {
    writeFileSync(path.replace(/tmp$/, "owner"), words);
    expect(takeBeside(root.at("target")).path).not.toBe(path);
  }
});
