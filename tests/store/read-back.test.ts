import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../src/db/artifacts.ts";
import * as blobs from "../../src/db/blobs.ts";
import type { BlobRow } from "../../src/db/blobs.ts";
import * as leases from "../../src/db/leases.ts";
import * as metadata from "../../src/db/metadata.ts";
import { evict, readablePath } from "../../src/store/cache.ts";
import { takeLease } from "../../src/store/lease.ts";
import { locate } from "../../src/store/read.ts";
import { writeOut } from "../../src/store/write-out.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { keep } from "./keep.ts";

const contentOf = (artifact: ArtifactRow) => ({
  kind: artifact.kind,
  blob: artifact.blob as number,
  mode: artifact.mode,
  size: artifact.size,
  name: artifact.path,
});

/** Kind, mode and content of everything below a path. */
function picture(path: string): Record<string, string> {
  const seen: Record<string, string> = {};
  const visit = (at: string, name: string): void => {
    const stat = lstatSync(at);
    const mode = (stat.mode & 0o777).toString(8);
    if (stat.isSymbolicLink()) seen[name] = `link ${readlinkSync(at)}`;
    else if (stat.isDirectory()) {
      seen[name] = `directory ${mode}`;
      for (const inner of readdirSync(at)) visit(join(at, inner), `${name}/${inner}`);
    } else seen[name] = `file ${mode} ${readFileSync(at, "base64")}`;
  };
  visit(path, "");
  return seen;
}

/** A directory with everything that has to come back. */
function makeDirectory(path: string, count = 3): void {
  for (const inner of ["plain/deep", "empty", "private", "only-links"]) mkdirSync(join(path, inner), { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(path, "plain/deep", `${i}`), `file ${i}`);
  writeFileSync(join(path, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(path, "private/key"), "s", { mode: 0o600 });
  writeFileSync(join(path, "new\nline"), "");
  writeFileSync(join(path, "large"), Buffer.alloc(300_000, 5));
  symlinkSync("../run.sh", join(path, "only-links/link"));
  symlinkSync("plain", join(path, "to-directory"));
  for (const [inner, mode] of [
    ["plain/deep", 0o555],
    ["private", 0o700],
    ["empty", 0o711],
    ["", 0o750],
  ] as const)
    chmodSync(join(path, inner), mode);
}

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

// The cache -------------------------------------------------------------------------------------------------------

/** A store with packed files: only those, and directories, are copied into the cache. */
async function withPacked(count: number, cache: Record<string, unknown> = {}): Promise<{ test: TestStore; files: ArtifactRow[] }> {
  const test = await openTestStore(cache);
  using root = temporaryRoot();
  const units = Array.from({ length: Math.max(32, count) }, (_, i) => {
    writeFileSync(root.at(`f${i}`), `packed ${String(i).padStart(3, "0")}`);
    chmodSync(root.at(`f${i}`), 0o640);
    return { source: root.at(`f${i}`) };
  });
  const { result } = await keep(test, units);
  return { test, files: result.slice(0, count) };
}

const counts = (test: TestStore) =>
  [metadata.get(test.store.db, "cache.misses") ?? "0", metadata.get(test.store.db, "cache.hits") ?? "0"].map(Number);

test("a large blob is read where it lies; a packed one and a directory from copies with their own names and modes", async () => {
  const packed = await withPacked(1);
  using test = packed.test;
  using root = temporaryRoot();
  makeDirectory(root.at("d"));
  const { result } = await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  const lease = takeLease(test.store, "read").seq;
  const single = await test.add({ bytes: "its own file" });
  expect(await readablePath(test.store, contentOf(single), lease)).toBe(
    locate(test.store, blobs.bySeq(test.store.db, single.blob as number) as BlobRow).path,
  );
  const file = await readablePath(test.store, contentOf(packed.files[0] as ArtifactRow), lease);
  expect([file.startsWith(test.store.path("cache")), file.endsWith("/f0"), picture(file)]).toEqual([
    true,
    true,
    { "": `file 640 ${Buffer.from("packed 000").toString("base64")}` },
  ]);
  const directory = await readablePath(test.store, contentOf(result[0] as ArtifactRow), lease);
  // its owner may take it away again: that is all that differs
  expect(picture(directory)).toEqual({ ...picture(root.at("d")), "/plain/deep": "directory 755" });
  expect(counts(test)).toEqual([2, 0]);
});

test("the second reader gets the same copy", async () => {
  const packed = await withPacked(1);
  using test = packed.test;
  const content = contentOf(packed.files[0] as ArtifactRow);
  const lease = takeLease(test.store, "read").seq;
  const path = await readablePath(test.store, content, lease);
  const { ino } = lstatSync(path);
  expect([await readablePath(test.store, content, lease), lstatSync(path).ino, counts(test)]).toEqual([path, ino, [1, 1]]);
});

test("the same bytes with other mode bits are another copy", async () => {
  const packed = await withPacked(1);
  using test = packed.test;
  const content = contentOf(packed.files[0] as ArtifactRow);
  const lease = takeLease(test.store, "read").seq;
  const paths = [await readablePath(test.store, content, lease), await readablePath(test.store, { ...content, mode: 0o755 }, lease)];
  expect(paths.map((path) => lstatSync(path).mode & 0o777)).toEqual([0o640, 0o755]);
});

const TAMPER: [string, (path: string) => void][] = [
  ["a file was written over, with its size and time kept", (path) => writeKeepingTime(join(path, "run.sh"), "#!/bin/SH\n")],
  ["a file was added", (path) => writeFileSync(join(path, "plain/added"), "x")],
  ["a file was taken away and another put in its place", (path) => renameSync(join(path, "large"), join(path, "private/large"))],
  ["a mode was changed", (path) => chmodSync(join(path, "private/key"), 0o644)],
  [
    "a link was turned",
    (path) => (renameSync(join(path, "to-directory"), join(path, "x")), symlinkSync("private", join(path, "to-directory"))),
  ],
  ["it became a file", (path) => (renameSync(path, `${path}-old`), writeFileSync(path, ""))],
  ["it is gone", (path) => renameSync(path, `${path}-old`)],
];

test.each(TAMPER)("a cached directory is not served when %s, but made anew", async (_, tamper) => {
  using test = await openTestStore();
  using root = temporaryRoot();
  makeDirectory(root.at("d"));
  const { result } = await keep(test, [{ source: root.at("d"), kind: "tree" }]);
  const content = contentOf(result[0] as ArtifactRow);
  const lease = takeLease(test.store, "read").seq;
  const path = await readablePath(test.store, content, lease);
  const before = picture(path);
  tamper(path);
  expect([await readablePath(test.store, content, lease), picture(path), counts(test)]).toEqual([path, before, [2, 0]]);
  expect(readdirSync(test.store.path("tmp")).flatMap((name) => readdirSync(test.store.path("tmp", name)))).toEqual([]);
});

function writeKeepingTime(path: string, text: string): void {
  const { mtime } = lstatSync(path);
  writeFileSync(path, text);
  Bun.spawnSync(["touch", "-d", mtime.toISOString(), path]);
}

test("processes that want one directory at the same moment all get it, and it stays there", async () => {
  using test = await openTestStore();
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${i}`, `small ${i}`]));
  const content = contentOf(await test.add({ files }));
  const program = `
    import { openStore } from ${JSON.stringify(`${import.meta.dir}/../../src/store/store.ts`)};
    import { loadSettings } from ${JSON.stringify(`${import.meta.dir}/../../src/config/settings.ts`)};
    import { readablePath } from ${JSON.stringify(`${import.meta.dir}/../../src/store/cache.ts`)};
    import { takeLease } from ${JSON.stringify(`${import.meta.dir}/../../src/store/lease.ts`)};
    import { readdirSync } from "node:fs";
    const settings = await loadSettings({ flags: { root: process.argv[1] }, env: {}, cwd: "/" });
    using store = openStore(settings, { make: false, now: Date.now, say: () => undefined });
    const path = await readablePath(store, JSON.parse(process.argv[2]), takeLease(store, "read").seq);
    for (let i = 0; i < 200; i++) if (readdirSync(path).length !== 300) throw new Error("torn");
    console.log(path);`;
  const children = Array.from({ length: 6 }, () =>
    Bun.spawn([process.execPath, "-e", program, test.store.root, JSON.stringify(content)], { stdio: ["ignore", "pipe", "pipe"] }),
  );
  const ends = await Promise.all(children.map(async (child) => [await child.stdout.text(), await child.stderr.text(), await child.exited]));
  const path = test.store.path("cache", readdirSync(test.store.path("cache"))[0] as string, content.name);
  expect(ends).toEqual(children.map(() => [`${path}\n`, "", 0]));
  expect(counts(test)[0]).toBeGreaterThan(0);
});

test("limits of number and size take the least recently used copies, and their directories", async () => {
  const packed = await withPacked(5, { "cache.max_entries": 3 });
  using test = packed.test;
  const paths: string[] = [];
  for (const file of packed.files) {
    test.now += 1000;
    const lease = takeLease(test.store, "read");
    paths.push(await readablePath(test.store, contentOf(file), lease.seq));
    test.store.transaction(() => leases.remove(test.store.db, lease.seq));
  }
  expect(paths.map((path) => existsSync(path))).toEqual([false, false, true, true, true]);
  expect(readdirSync(test.store.path("cache")).length).toBe(3);
  // a use makes it young again
  test.now += 1000;
  const lease = takeLease(test.store, "read");
  await readablePath(test.store, contentOf(packed.files[2] as ArtifactRow), lease.seq);
  test.store.transaction(() => leases.remove(test.store.db, lease.seq));
  expect(evict(test.store, { max_size: 10, max_entries: 3 })).toBe(20);
  expect(paths.map((path) => existsSync(path))).toEqual([false, false, true, false, false]);
});

test("what a reader holds is never taken, however small the limit", async () => {
  const packed = await withPacked(4, { "cache.max_entries": 1 });
  using test = packed.test;
  const held = takeLease(test.store, "read");
  const paths: string[] = [];
  for (const file of packed.files.slice(0, 3)) paths.push(await readablePath(test.store, contentOf(file), held.seq));
  expect(evict(test.store, { max_size: 0, max_entries: 0 })).toBe(0);
  expect(paths.map((path) => existsSync(path))).toEqual([true, true, true]);
  test.store.transaction(() => leases.remove(test.store.db, held.seq));
  expect(evict(test.store, { max_size: 0, max_entries: 0 })).toBe(30);
  expect([paths.map((path) => existsSync(path)), readdirSync(test.store.path("cache"))]).toEqual([[false, false, false], []]);
});

test("a cache that was deleted as a whole is filled again", async () => {
  const packed = await withPacked(1);
  using test = packed.test;
  const content = contentOf(packed.files[0] as ArtifactRow);
  const lease = takeLease(test.store, "read").seq;
  const path = await readablePath(test.store, content, lease);
  renameSync(test.store.path("cache"), test.store.path("tmp/old-cache"));
  expect(await readablePath(test.store, content, lease)).toBe(path);
  expect(readFileSync(path, "utf8")).toBe("packed 000");
});
