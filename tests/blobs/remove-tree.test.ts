import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { mountsBelow } from "../../src/blobs/mounts.ts";
import { removeTree } from "../../src/blobs/remove-tree.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const mounted = needsMount(test);

test("a directory goes with all that is in it, whatever its name; links go, what they lead to stays", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("precious"), "kept");
  mkdirSync(root.at("d/deep"), { recursive: true });
  symlinkSync("../../precious", root.at("d/deep/link"));
  Bun.spawnSync(["sh", "-c", `mkfifo fifo; mkdir "$(printf 'caf\\351')"; : > "$(printf 'caf\\351/\\377')"; chmod 500 deep`], {
    cwd: root.at("d"),
  });
  removeTree(root.at("d"));
  expect([existsSync(root.at("d")), readFileSync(root.at("precious"), "utf8")]).toEqual([false, "kept"]);
  removeTree(root.at("d"));
});

mounted("what is mounted inside is not entered, also when it is of the same file system", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("bound"));
  writeFileSync(root.at("bound/data"), "precious");
  mkdirSync(root.at("d/a b"), { recursive: true });
  expect(Bun.spawnSync(["mount", "--bind", root.at("bound"), root.at("d/a b")]).exitCode).toBe(0);
  try {
    expect([...mountsBelow(root.at("d"))]).toEqual(["a b"]);
    expect(() => removeTree(root.at("d"))).toThrow(`something is mounted at ${root.at("d/a b")}`);
  } finally {
    Bun.spawnSync(["umount", "-l", root.at("d/a b")]);
  }
  using _disk = mountSmall(root.at("d/a b"), "64k");
  writeFileSync(root.at("d/a b/data"), "precious");
  expect(() => removeTree(root.at("d"))).toThrow("something is mounted");
  expect([readFileSync(root.at("d/a b/data"), "utf8"), readFileSync(root.at("bound/data"), "utf8")]).toEqual(["precious", "precious"]);
});
