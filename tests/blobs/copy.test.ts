import { expect, test } from "bun:test";
import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { cloneOpened, copyOpened, linkOpened, openRegular } from "../../src/blobs/copy.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("only regular files are opened: no link is followed and a FIFO does not block", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "bytes");
  symlinkSync("file", root.at("link"));
  mkdirSync(root.at("directory"));
  expect(Bun.spawnSync(["mkfifo", root.at("fifo")]).exitCode).toBe(0);
  closeSync(openRegular(root.at("file")).fd);
  expect(() => openRegular(root.at("link"))).toThrow("ELOOP");
  for (const name of ["directory", "fifo"])
    expect(() => openRegular(root.at(name))).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
});

test("what was opened is what is copied, though another file has its name by now", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "the opened one");
  const { fd, stat } = openRegular(root.at("file"));
  writeFileSync(root.at("other"), "the other one");
  renameSync(root.at("other"), root.at("file"));
  if (!cloneOpened(fd, stat.dev, root.at("copy"))) await copyOpened(fd, root.at("copy"));
  expect(readFileSync(root.at("copy"), "utf8")).toBe("the opened one");
  expect(linkOpened(root.at("file"), stat, root.at("link"))).toBe(false);
  expect(lstatSync(root.at("link"), { throwIfNoEntry: false })).toBeUndefined();
  closeSync(fd);
});

test("a file with one name gets a second one for the same inode; one with two names is not taken", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "bytes");
  const fd = openSync(root.at("file"), "r");
  const stat = fstatSync(fd, { bigint: true });
  expect(linkOpened(root.at("file"), stat, root.at("blob"))).toBe(true);
  expect(lstatSync(root.at("blob")).ino).toBe(Number(stat.ino));
  linkSync(root.at("file"), root.at("another"));
  expect(linkOpened(root.at("file"), stat, root.at("blob-2"))).toBe(false);
  closeSync(fd);
});

test("a copy never replaces what is there", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "bytes");
  writeFileSync(root.at("taken"), "theirs");
  const { fd } = openRegular(root.at("file"));
  await expect(copyOpened(fd, root.at("taken"))).rejects.toThrow("EEXIST");
  expect(readFileSync(root.at("taken"), "utf8")).toBe("theirs");
  closeSync(fd);
});
