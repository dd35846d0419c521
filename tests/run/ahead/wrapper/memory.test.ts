import { appendFileSync, chmodSync, closeSync, existsSync, lstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { isOpenForWriting } from "../../../../src/blobs/open-for-writing.ts";
import { sourceStamp } from "../../../../src/blobs/source-stamp.ts";
import { AheadMemory } from "../../../../src/run/ahead/wrapper/memory.ts";
import { needsExactTimes } from "../../../support/exact-times.ts";
import { temporaryRoot } from "../../../support/temporary-root.ts";

const HEX = "ab".repeat(32);

function read(path: string, copy?: string): AheadMemory {
  const stamp = (of: string) => sourceStamp(lstatSync(of, { bigint: true }));
  const files = new AheadMemory();
  files.set(path, {
    stamp: stamp(path),
    hex: HEX,
    flushed: copy === undefined,
    copy: copy === undefined ? undefined : { path: copy, stamp: stamp(copy) },
  });
  return files;
}

test("a file is known as long as it is the very same, and closed", () => {
  using root = temporaryRoot();
  const path = root.at("m");
  writeFileSync(path, "bytes");
  const files = read(path);
  expect(files.of(path)).toMatchObject({ hex: HEX, flushed: true });
  expect(files.of(root.at("other"))).toBeUndefined();
  expect(files.words()).toBe("read ahead: 1 file, 5 B; of that, used at the end: 1 file, 5 B");
  expect(read(path).words()).toBe("read ahead: 1 file, 5 B; of that, used at the end: 0 files, 0 B");
  const fd = openSync(path, "r+");
  expect(files.of(path)).toBeUndefined();
  closeSync(fd);
  expect(files.of(path)).toMatchObject({ hex: HEX });
  chmodSync(path, 0o600);
  expect(files.of(path)).toBeUndefined();
});

needsExactTimes(test)("a file that somebody has mapped for writing is not known, and neither is one that was written so", async () => {
  using root = temporaryRoot();
  const [mapped, written] = [root.at("mapped"), root.at("written")];
  for (const path of [mapped, written]) writeFileSync(path, "bytes");
  const files = new Map([mapped, written].map((path) => [path, read(path)]));
  const bytes = Bun.mmap(mapped, { shared: true });
  expect(files.get(mapped)?.of(mapped)).toBeUndefined();
  expect(bytes.length).toBe(5);
  // a tick of the kernel's clock
  await Bun.sleep(20);
  // ends with its mapping: nobody holds the file afterwards
  const writing = Bun.spawn([process.execPath, "-e", `Bun.mmap(${JSON.stringify(written)}, { shared: true })[0] = 66`]);
  expect(await writing.exited).toBe(0);
  expect(readFileSync(written, "utf8")).toBe("Bytes");
  const reader = openSync(written, "r");
  expect(isOpenForWriting(reader)).toBe(false);
  closeSync(reader);
  expect(files.get(written)?.of(written)).toBeUndefined();
});

test("a copy that somebody touched is none", async () => {
  using root = temporaryRoot();
  for (const name of ["m", "n", "copy", "other"]) writeFileSync(root.at(name), name === "m" ? "by" : "bytes");
  const files = read(root.at("n"), root.at("copy"));
  expect(files.of(root.at("n"))).toMatchObject({ staged: root.at("copy"), flushed: false });
  appendFileSync(root.at("copy"), "!");
  expect(files.of(root.at("n"))).toEqual({ stamp: expect.anything(), hex: HEX, flushed: false });
});

test("copies are given up one by one, the largest first, and digests are kept", async () => {
  using root = temporaryRoot();
  const files = new AheadMemory();
  for (const [name, bytes] of [
    ["small", "12"],
    ["large", "12345"],
  ] as const) {
    writeFileSync(root.at(name), bytes);
    writeFileSync(root.at(`${name}-copy`), bytes);
    const stamp = (of: string) => sourceStamp(lstatSync(root.at(of), { bigint: true }));
    files.set(root.at(name), {
      stamp: stamp(name),
      hex: HEX,
      flushed: false,
      copy: { path: root.at(`${name}-copy`), stamp: stamp(`${name}-copy`) },
    });
  }
  expect(await files.forgetCopy()).toBe(true);
  expect([existsSync(root.at("small-copy")), existsSync(root.at("large-copy"))]).toEqual([true, false]);
  expect(files.of(root.at("large"))).toEqual({ stamp: expect.anything(), hex: HEX, flushed: false });
  expect(await files.forgetCopy()).toBe(true);
  expect(await files.forgetCopy()).toBe(false);
  await files.forget(root.at("small"));
  expect(files.of(root.at("small"))).toBeUndefined();
});
