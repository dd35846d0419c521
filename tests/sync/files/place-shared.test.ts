import { expect, test } from "bun:test";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { partBeside, placeShared } from "../../../src/sync/files/place-shared.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { fileSource, packedSource } from "../../support/file-source.ts";

const inode = (path: string): number => statSync(path).ino;

test("a read-only blob is shared without a second copy, or copied where the wish or the disk is against it", async () => {
  using root = temporaryRoot();
  const source = fileSource(root.at("blob"), "weights");
  const auto = await placeShared(root.at("run"), "a/b/model.pt", source, "auto");
  expect(auto.replaced).toBe(false);
  expect(["clone", "link"]).toContain(auto.how);
  expect(inode(root.at("run/a/b/model.pt")) === inode(root.at("blob"))).toBe(auto.how === "link");

  expect(await placeShared(root.at("run"), "linked", source, "link")).toEqual({ how: "link", replaced: false });
  expect(inode(root.at("run/linked"))).toBe(inode(root.at("blob")));

  expect(await placeShared(root.at("run"), "copied", source, "copy")).toEqual({ how: "copy", replaced: false });
  expect(inode(root.at("run/copied"))).not.toBe(inode(root.at("blob")));
  expect(statSync(root.at("run/copied")).mode & 0o777).toBe(0o644);

  const cloned = await placeShared(root.at("run"), "cloned", source, "clone");
  expect(["clone", "copy"]).toContain(cloned.how);
  expect(inode(root.at("run/cloned"))).not.toBe(inode(root.at("blob")));
  for (const name of ["a/b/model.pt", "linked", "copied", "cloned"]) expect(readFileSync(root.at("run", name), "utf8")).toBe("weights");
});

test("a packed blob, a writable file and an empty file are never linked", async () => {
  using root = temporaryRoot();
  const packed = packedSource(root.at("pack"), "head", "inside", "tail");
  expect((await placeShared(root.at("run"), "packed", packed, "link")).how).toBe("copy");
  expect(readFileSync(root.at("run/packed"), "utf8")).toBe("inside");
  expect((await placeShared(root.at("run"), "writable", fileSource(root.at("w"), "w", 0o644), "link")).how).toBe("copy");
  expect((await placeShared(root.at("run"), "empty", fileSource(root.at("e"), ""), "link")).how).toBe("copy");
  expect(statSync(root.at("run/empty")).size).toBe(0);
  for (const [name, source] of [
    ["writable", "w"],
    ["empty", "e"],
  ] as const)
    expect(inode(root.at("run", name))).not.toBe(inode(root.at(source)));
});

test("a packed blob larger than one buffer is copied byte for byte", async () => {
  using root = temporaryRoot();
  const content = "0123456789abcdef".repeat(200_000);
  await placeShared(root.at("run"), "f", packedSource(root.at("pack"), "xyz", content, "end"), "auto");
  expect(readFileSync(root.at("run/f"), "utf8") === content).toBe(true);
});

test("an older file is replaced, not written into: a blob that it was linked to keeps its bytes", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("other-blob"), "other", { mode: 0o444 });
  mkdirSync(root.at("run"));
  linkSync(root.at("other-blob"), root.at("run/f"));
  for (const wish of ["copy", "link"] as const) {
    const source = fileSource(root.at(`blob-${wish}`), `new ${wish}`);
    expect(await placeShared(root.at("run"), "f", source, wish)).toEqual({ how: wish, replaced: true });
    expect(readFileSync(root.at("run/f"), "utf8")).toBe(`new ${wish}`);
  }
  expect(readFileSync(root.at("other-blob"), "utf8")).toBe("other");
});

test("placing the same blob again changes nothing and leaves nothing beside it", async () => {
  using root = temporaryRoot();
  const source = fileSource(root.at("blob"), "weights");
  await placeShared(root.at("run"), "f", source, "link");
  expect(await placeShared(root.at("run"), "f", source, "link")).toEqual({ how: "link", replaced: false });
  expect(readdirSync(root.at("run"))).toEqual(["f"]);
});

test("what a killed try left is cleared away by the next, without touching what it was linked to", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("run"));
  writeFileSync(root.at("other-blob"), "other", { mode: 0o444 });
  linkSync(root.at("other-blob"), partBeside(root.at("run/f")));
  await placeShared(root.at("run"), "f", fileSource(root.at("blob"), "weights"), "copy");
  expect(readdirSync(root.at("run"))).toEqual(["f"]);
  expect(readFileSync(root.at("other-blob"), "utf8")).toBe("other");
});

test("a source that is shorter than its record leaves the older file, and nothing else", async () => {
  using root = temporaryRoot();
  await placeShared(root.at("run"), "f", fileSource(root.at("blob"), "weights"), "copy");
  const short = fileSource(root.at("short"), "half");
  await expect(placeShared(root.at("run"), "f", { ...short, size: 99 }, "auto")).rejects.toThrow(
    expect.objectContaining({ code: "CORRUPT" }),
  );
  expect(readdirSync(root.at("run"))).toEqual(["f"]);
  expect(readFileSync(root.at("run/f"), "utf8")).toBe("weights");
});

test("a directory in the way, a file where a directory should be, and a link that leads out are collisions", async () => {
  using root = temporaryRoot();
  const source = fileSource(root.at("blob"), "weights");
  mkdirSync(root.at("run/dir"), { recursive: true });
  writeFileSync(root.at("run/file"), "x");
  mkdirSync(root.at("outside"));
  symlinkSync(root.at("outside"), root.at("run/way-out"));
  for (const path of ["dir", "file/x", "way-out/x"])
    await expect(placeShared(root.at("run"), path, source, "auto")).rejects.toThrow(expect.objectContaining({ code: "COLLISION" }));
  expect(readdirSync(root.at("outside"))).toEqual([]);
  await expect(placeShared(root.at("run"), "../x", source, "auto")).rejects.toThrow(expect.objectContaining({ code: "PATH_INVALID" }));
  expect(existsSync(root.at("x"))).toBe(false);
});

test("a link in the place of the file is replaced, and what it led to is left alone", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("precious"), "precious");
  mkdirSync(root.at("run"));
  symlinkSync(root.at("precious"), root.at("run/f"));
  expect((await placeShared(root.at("run"), "f", fileSource(root.at("blob"), "weights"), "copy")).replaced).toBe(true);
  expect(readFileSync(root.at("precious"), "utf8")).toBe("precious");
});
