import { expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeInNewPlace } from "../../src/blobs/new-place.ts";
import { CofferError } from "../../src/domain/error.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const file = (path: string): void => writeFileSync(path, "mine");
const directory = (path: string): void => {
  mkdirSync(path);
  writeFileSync(join(path, "inside"), "mine");
};

test("a file or a directory gets its name when it is whole; directories above it are made", async () => {
  using root = temporaryRoot();
  const seen: boolean[] = [];
  await makeInNewPlace(root.at("deep/er/file"), "file", (beside) => {
    file(beside);
    seen.push(existsSync(root.at("deep/er/file")), dirname(beside) === root.at("deep/er"));
  });
  mkdirSync(root.at("empty"));
  await makeInNewPlace(root.at("empty"), "directory", directory);
  expect([seen, readFileSync(root.at("deep/er/file"), "utf8"), readdirSync(root.at("empty"))]).toEqual([[false, true], "mine", ["inside"]]);
  expect([lstatSync(root.at("deep/er/file")).nlink, readdirSync(root.at("deep/er")), readdirSync(root.path).toSorted()]).toEqual([
    1,
    ["file"],
    ["deep", "empty"],
  ]);
});

const OTHERS: readonly ((path: string) => void)[] = [
  (path) => writeFileSync(path, "theirs"),
  (path) => symlinkSync("nowhere", path),
  (path) => {
    mkdirSync(path);
    writeFileSync(join(path, "theirs"), "");
  },
];

test.each(["before", "meanwhile"])("what somebody else put there %s stays, and nothing of ours is left", async (when) => {
  for (const [kind, make] of [
    ["file", file],
    ["directory", directory],
  ] as const)
    for (const put of OTHERS) {
      using root = temporaryRoot();
      const target = root.at("target");
      if (when === "before") put(target);
      const made = makeInNewPlace(target, kind, (beside) => {
        make(beside);
        put(target);
      });
      await expect(made).rejects.toMatchObject({ code: "PROTECTED" });
      using fresh = temporaryRoot();
      put(fresh.at("target"));
      const look = (path: string): unknown => [lstatSync(path).mode, lstatSync(path).isFile() && readFileSync(path, "utf8")];
      expect([look(target), readdirSync(root.path)]).toEqual([look(fresh.at("target")), ["target"]]);
    }
});

test("what fails, or is given up, leaves nothing, not even behind directories that may not be written to", async () => {
  using root = temporaryRoot();
  const halfMade = (beside: string): void => {
    directory(beside);
    mkdirSync(join(beside, "closed/inner"), { recursive: true });
    Bun.spawnSync(["chmod", "0500", join(beside, "closed")]);
  };
  const fails = (error: Error) =>
    makeInNewPlace(root.at("target"), "directory", (beside) => {
      halfMade(beside);
      throw error;
    });
  await expect(fails(new CofferError("CORRUPT", "damaged"))).rejects.toMatchObject({ code: "CORRUPT" });
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  await expect(fails(full)).rejects.toMatchObject({ code: "UNREADABLE", hint: expect.stringContaining("make room") });
  const malformed = Object.assign(new Error("malformed"), { code: "SQLITE_CORRUPT" });
  await expect(fails(malformed)).rejects.toBe(malformed);
  const givenUp = await makeInNewPlace(root.at("target"), "directory", (beside) => {
    halfMade(beside);
    return null;
  });
  expect([givenUp, readdirSync(root.path)]).toEqual([null, []]);
});
