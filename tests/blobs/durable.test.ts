import { expect, test } from "bun:test";
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { makeDirectory, renameNoReplace, replaceFile } from "../../src/blobs/durable.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("a rename never replaces what has the name already, a dangling link included", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("mine"), "mine");
  for (const [name, make] of [
    ["file", () => writeFileSync(root.at("file"), "theirs")],
    ["directory", () => mkdirSync(root.at("directory"))],
    ["link", () => symlinkSync("nowhere", root.at("link"))],
  ] as const) {
    make();
    const before = lstatSync(root.at(name)).ino;
    expect(renameNoReplace(root.at("mine"), root.at(name))).toBe(false);
    expect([lstatSync(root.at(name)).ino, readFileSync(root.at("mine"), "utf8")]).toEqual([before, "mine"]);
  }
  expect(readFileSync(root.at("file"), "utf8")).toBe("theirs");
  const { ino } = lstatSync(root.at("mine"));
  expect(renameNoReplace(root.at("mine"), root.at("free"))).toBe(true);
  expect([lstatSync(root.at("free")).ino, lstatSync(root.at("free")).nlink, readdirSync(root.path).includes("mine")]).toEqual([
    ino,
    1,
    false,
  ]);
});

test("directories are made down to a path, and are left alone where they are", () => {
  using root = temporaryRoot();
  makeDirectory(root.at("a/b/c"), 0o750);
  expect(lstatSync(root.at("a/b/c")).mode & 0o777).toBe(0o750 & ~process.umask());
  makeDirectory(root.at("a/b/c"));
  expect(lstatSync(root.at("a/b/c")).mode & 0o777).toBe(0o750 & ~process.umask());
  writeFileSync(root.at("file"), "");
  expect(() => makeDirectory(root.at("file/below"))).toThrow("ENOTDIR");
});

test("a reader of a small file that is replaced sees the old or the new one, and nothing is left beside it", async () => {
  using root = temporaryRoot();
  const path = root.at("f");
  replaceFile(path, "0".repeat(100_000));
  const program = `
    import { readFileSync } from "node:fs";
    process.stdout.write("reading");
    for (const end = Date.now() + 600; Date.now() < end; ) {
      const text = readFileSync(process.argv[1], "latin1");
      if (text.length !== 100000 || text !== text[0].repeat(100000)) { console.error("torn"); process.exit(1); }
    }`;
  const reader = Bun.spawn([process.execPath, "-e", program, path], { stdio: ["ignore", "pipe", "inherit"] });
  await reader.stdout.getReader().read();
  for (let round = 1; reader.exitCode === null; round++) {
    replaceFile(path, String(round % 10).repeat(100_000));
    await Bun.sleep(0);
  }
  expect([reader.exitCode, readdirSync(root.path)]).toEqual([0, ["f"]]);
});
