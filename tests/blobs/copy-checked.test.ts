import { expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { loadBlake3 } from "../../src/blobs/blake3.ts";
import { copyChecked } from "../../src/blobs/copy-checked.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const blake3 = await loadBlake3();

async function copy(from: string, to: string, digest: Uint8Array): Promise<boolean> {
  const fd = openSync(from, "r");
  return copyChecked(fd, to, digest, blake3).finally(() => closeSync(fd));
}

// around the chunk, around the size from which another thread copies, and beyond
test.each([0, 1, (1 << 20) - 1, 1 << 20, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (37 << 20) + 12_345])(
  "a file of %d bytes is copied, and its copy hashed",
  async (size) => {
    using root = temporaryRoot();
    const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536))));
    const whole = Buffer.concat(Array.from({ length: Math.ceil(size / 65_536) }, () => bytes)).subarray(0, size);
    writeFileSync(root.at("from"), whole);
    const digest = blake3.hash(whole);
    expect(await copy(root.at("from"), root.at("to"), digest)).toBe(true);
    expect(readFileSync(root.at("to")).equals(whole)).toBe(true);
    const other = Buffer.from(digest);
    other[31] = (other[31] as number) ^ 1;
    expect(await copy(root.at("from"), root.at("again"), other)).toBe(false);
  },
);

test.each([10, 20 << 20])("what is there is not replaced by a file of %d bytes", async (size) => {
  using root = temporaryRoot();
  writeFileSync(root.at("from"), Buffer.alloc(size));
  writeFileSync(root.at("to"), "mine");
  await expect(copy(root.at("from"), root.at("to"), Buffer.alloc(32))).rejects.toThrow("EEXIST");
  expect(readFileSync(root.at("to"), "utf8")).toBe("mine");
});

test("a directory that is not there fails, large file or small", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("from"), "");
  for (const size of [10, 20 << 20]) {
    truncateSync(root.at("from"), size);
    await expect(copy(root.at("from"), root.at("none/to"), Buffer.alloc(32))).rejects.toThrow("ENOENT");
  }
  expect(existsSync(root.at("none"))).toBe(false);
});
