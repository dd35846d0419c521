import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as blobs from "../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../src/db/bytes/blobs.ts";
import { readablePath } from "../../src/store/cache/cache.ts";
import { takeLease } from "../../src/store/lease.ts";
import { locate } from "../../src/store/read.ts";
import { writeOut } from "../../src/store/bytes/write-out.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { contentOf, makeDirectory, picture } from "./directory.ts";
import { keep } from "./keep.ts";

test.each([3, 60])("a directory (%d small files) comes back with names, modes, links, empty directories and contents", async (count) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  makeDirectory(root.at("d"), count);
  const { result } = await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  await writeOut(test.store, contentOf(result[0] as ArtifactRow), root.at("out/put"));
  expect(picture(root.at("out/put"))).toEqual(picture(root.at("d")));
  expect(readdirSync(root.at("out"))).toEqual(["put"]);
});

test("a file comes back with its mode and its bytes, and what is there is not overwritten", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "bytes", { mode: 0o754 });
  chmodSync(root.at("f"), 0o754);
  const { result } = await keep(test, [{ source: root.at("f") }]);
  const content = contentOf(result[0] as ArtifactRow);
  await writeOut(test.store, content, root.at("out/f"));
  expect(picture(root.at("out/f"))).toEqual(picture(root.at("f")));
  writeFileSync(root.at("mine"), "mine");
  symlinkSync("nowhere", root.at("dangling"));
  for (const name of ["mine", "dangling", "out"])
    await expect(writeOut(test.store, content, root.at(name))).rejects.toMatchObject({ code: "PROTECTED" });
  expect(readFileSync(root.at("mine"), "utf8")).toBe("mine");
});

test("names as long as a file system takes come back", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const long = `${"é".repeat(127)}x`;
  mkdirSync(root.at(long));
  writeFileSync(root.at(long, "y".repeat(255)), "long");
  const { result } = await keep(test, [{ source: root.at(long), kind: "tree" }]);
  await writeOut(test.store, contentOf(result[0] as ArtifactRow), root.at("out", long));
  expect(readFileSync(root.at("out", long, "y".repeat(255)), "utf8")).toBe("long");
  const path = await readablePath(test.store, contentOf(result[0] as ArtifactRow), takeLease(test.store, "read").seq);
  expect(readFileSync(join(path, "y".repeat(255)), "utf8")).toBe("long");
});

test("whatever a directory holds, it comes back", async () => {
  using test = await openTestStore();
  const part = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 8 })
    .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && text.isWellFormed());
  const file = fc.tuple(
    fc.array(part, { minLength: 1, maxLength: 3 }),
    fc.uint8Array({ maxLength: 50 }),
    fc.constantFrom(0o644, 0o600, 0o755, 0o400),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 8 }), async (files) => {
      using root = temporaryRoot();
      mkdirSync(root.at("d"));
      for (const [parts, bytes, mode] of files)
        try {
          mkdirSync(root.at("d", ...parts.slice(0, -1)), { recursive: true });
          writeFileSync(root.at("d", ...parts), bytes, { mode });
        } catch {
          // a file is where this one needs a directory
        }
      const { result } = await keep(test, [{ source: root.at("d"), kind: "tree" }]);
      await writeOut(test.store, contentOf(result[0] as ArtifactRow), root.at("out"));
      expect(picture(root.at("out"))).toEqual(picture(root.at("d")));
    }),
    { numRuns: 30 },
  );
});

test("a flipped byte never comes out: neither by path, nor as a copy, nor inside a directory", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}`, `small ${i}`]));
  const [single, tree] = [await test.add({ bytes: "single bytes" }), await test.add({ files })];
  flip(test, single.blob);
  const member = test.store.db.query("SELECT member FROM tree_members WHERE tree = ? LIMIT 1").get(tree.blob as number) as {
    member: number;
  };
  flip(test, member.member);
  const lease = takeLease(test.store, "read").seq;
  for (const artifact of [single, tree]) {
    await expect(readablePath(test.store, contentOf(artifact), lease)).rejects.toMatchObject({ code: "CORRUPT" });
    await expect(writeOut(test.store, contentOf(artifact), root.at("out"))).rejects.toMatchObject({ code: "CORRUPT" });
  }
  expect(readdirSync(root.path)).toEqual([]);
});

/** Turns one bit of a blob, and gives its file the time that it had. */
function flip(test: TestStore, blob: number | null): void {
  const { path, offset } = locate(test.store, blobs.bySeq(test.store.db, blob as number) as BlobRow);
  const { mtime } = lstatSync(path);
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] as number) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  Bun.spawnSync(["touch", "-d", mtime.toISOString(), path]);
  chmodSync(path, 0o444);
}
