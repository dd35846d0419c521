import { expect, test } from "bun:test";
import { chmodSync, lstatSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import * as metadata from "../../../src/db/open/metadata.ts";
import { readablePath } from "../../../src/store/cache/cache.ts";
import { takeLease } from "../../../src/store/lease.ts";
import { locate } from "../../../src/store/read.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { contentOf, makeDirectory, picture } from "../directory.ts";
import { keep } from "../keep.ts";
import { withPacked } from "../packed.ts";

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
    import { openStore } from ${JSON.stringify(`${import.meta.dir}/../../../src/store/store.ts`)};
    import { loadSettings } from ${JSON.stringify(`${import.meta.dir}/../../../src/config/settings.ts`)};
    import { readablePath } from ${JSON.stringify(`${import.meta.dir}/../../../src/store/cache/cache.ts`)};
    import { takeLease } from ${JSON.stringify(`${import.meta.dir}/../../../src/store/lease.ts`)};
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
