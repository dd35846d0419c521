import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { listOrNothing } from "../../src/blobs/list-or-nothing.ts";
import { visitFiles } from "../../src/blobs/visit-files.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("all files below a directory are shown by their paths within, and links are not followed", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("a/b"), { recursive: true });
  mkdirSync(root.at("empty"));
  writeFileSync(root.at("a/b/one"), "1");
  writeFileSync(root.at("two"), "22");
  symlinkSync(root.at("a"), root.at("link"));
  const shown: Record<string, number | string> = {};
  visitFiles(root.path, (stat, inner) => {
    shown[inner] = stat.isFile() ? stat.size : "no file";
  });
  expect(shown).toEqual({ "a/b/one": 1, two: 2, link: "no file" });
});

test("a directory that cannot be listed has nothing, unless its error is not among those that are forgiven", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "");
  const shown: string[] = [];
  visitFiles(root.at("none"), (_, inner) => shown.push(inner));
  expect([shown, listOrNothing(root.at("file")), listOrNothing(root.at("none"), ["ENOENT"])]).toEqual([[], [], []]);
  expect(() => listOrNothing(root.at("file"), ["ENOENT"])).toThrow("ENOTDIR");
  expect(() => visitFiles(root.at("file"), () => undefined, ["ENOENT"])).toThrow("ENOTDIR");
});

test("names that are not UTF-8 come as they are where the directory is given as bytes", () => {
  using root = temporaryRoot();
  const name = Buffer.from([0x61, 0xff]);
  writeFileSync(Buffer.concat([Buffer.from(`${root.path}/`), name]), "");
  expect(listOrNothing(Buffer.from(root.path))).toEqual([name]);
});
